/**
 * range/default-world — the domains of the demo: a consumer list of China and Korea with a tail.
 *
 * Names stand under `.example` (RFC 2606), so that a mistake can never reach a real mailbox.
 * Weights are per thousand. The shares of failures are modelled on a list that was not cleaned for
 * half a year. Every failure that lifts does so after one to three tries, so a campaign with retries
 * after 1, 2, 4, … seconds ends by itself; what never lifts (full, refused, SERVFAIL) expires at the
 * campaign's ttl.
 */
import { COMMON_EXTENSIONS, profile } from './profile.ts';
import type { DomainProfile } from './profile.ts';
import type { Mix } from './behaviour.ts';

/** What every consumer provider has. */
const CONSUMER: Mix = {
  unknown: 1.6,
  inactive: 0.3,
  full: 0.3,
  fullhard: 0.2,
  ratelimit: 0.6,
  busy: 0.2,
  reject: 0.2,
  drop: 0.1,
  dropbefore: 0.1,
  late: 0.3,
  latefull: 0.1,
  complaint: 0.1,
};
/** Gateways that take everything and ask the mailbox server later. */
const BACKSCATTER: Mix = { ...CONSUMER, unknown: 0.2, late: 3, latefull: 0.6 };
const COMPANY: Mix = { unknown: 2, greylist: 4, full: 0.4, late: 1, tarpit: 0.5, reject: 0.4 };

/**
 * A client may write MAIL, RCPT and BDAT LAST at once, so that dropping the link before the content
 * would leave it in doubt: hosts that offer CHUNKING do not do it.
 */
const CHUNKING_CONSUMER: Mix = { ...CONSUMER, dropbefore: 0 };
const CHUNKING = [...COMMON_EXTENSIONS, 'CHUNKING'] as const;
const mx = (hosts: number, more: { dead?: number; ipv6?: boolean } = {}) =>
  ({ kind: 'mx', hosts, ...more }) as const;

const china = (domain: string, weight: number, more: Partial<DomainProfile>): DomainProfile =>
  profile(domain, weight, { people: 'chinese', mix: CONSUMER, ...more });
const korea = (domain: string, weight: number, more: Partial<DomainProfile>): DomainProfile =>
  profile(domain, weight, { people: 'korean', mix: CONSUMER, ...more });
const other = (domain: string, weight: number, more: Partial<DomainProfile>): DomainProfile =>
  profile(domain, weight, { mix: CONSUMER, ...more });

export const DEFAULT_PROFILES: readonly DomainProfile[] = [
  china('qq.example', 215, { family: 'qq', routing: mx(3), mix: { ...CONSUMER, ratelimit: 1.5 } }),
  china('foxmail.example', 18, { family: 'qq', routing: { kind: 'hosted', by: 'qq.example' } }),
  china('netease-163.example', 120, { family: 'netease', routing: mx(2) }),
  china('netease-126.example', 48, { family: 'netease', routing: mx(2) }),
  china('sina.example', 22, { family: 'coremail', routing: mx(1), mix: BACKSCATTER }),
  china('sohu.example', 14, { family: 'coremail', routing: mx(1) }),
  china('aliyun.example', 12, { family: 'coremail', routing: mx(2, { dead: 1 }) }),
  china('univ-3.example', 14, { family: 'coremail', mix: COMPANY, extensions: ['SIZE'] }),
  china('gov-4.example', 8, { mix: COMPANY, busy: { percent: 60, connections: 6 } }),
  china('factory-8.example', 8, { mix: COMPANY, readBytesPerSecond: 400_000 }),

  other('gmail.example', 165, {
    mix: CHUNKING_CONSUMER,
    family: 'gmail',
    routing: mx(3),
    extensions: CHUNKING,
  }),
  other('outlook.example', 62, {
    mix: CHUNKING_CONSUMER,
    family: 'outlook',
    routing: mx(1),
    extensions: CHUNKING,
  }),
  other('hotmail.example', 28, {
    mix: CHUNKING_CONSUMER,
    family: 'outlook',
    routing: { kind: 'alias', of: 'outlook.example' },
  }),
  other('yahoo.example', 40, { family: 'yahoo', routing: mx(3) }),
  other('icloud.example', 22, { routing: mx(2), maxRecipients: 20 }),

  korea('naver.example', 96, { family: 'naver', routing: mx(2, { ipv6: true }) }),
  korea('daum.example', 34, { family: 'naver', routing: mx(2, { dead: 1 }) }),
  korea('nate.example', 10, { routing: mx(1), mix: BACKSCATTER }),
  korea('clinic-2.example', 5, { mix: COMPANY, greetingDelayMs: 300 }),
  korea('bank-5.example', 6, { mix: COMPANY, routing: { kind: 'implicit_mx' } }),

  other('shop-9.example', 6, { mix: { greylist: 92, unknown: 4 } }),
  other('corp-17.example', 8, { family: 'outlook', mix: COMPANY, maxRecipients: 10 }),
  other('corp-22.example', 6, { mix: COMPANY, extensions: null }),
  other('slow-6.example', 3, { mix: { tarpit: 30, unknown: 3 } }),
  other('*.tail.example', 24, { mix: COMPANY }),

  other('moved-away.example', 2, { routing: { kind: 'nxdomain' } }),
  other('parked.example', 2, { routing: { kind: 'null_mx' } }),
  other('broken-dns.example', 1, { routing: { kind: 'servfail' } }),
  other('dead-host.example', 1, { routing: { kind: 'refuses' } }),
];
