/**
 * range/profile — what a domain of the practice world is like.
 *
 * A profile says how mail finds the domain (routing), how its hosts speak (extensions, limits,
 * slowness, TLS) and what they do to recipients (mix). `range/default-world.ts` has a set of them.
 *
 * Promises: behaviour follows from the recipient alone, so it holds on one address as well. What can
 *           only be done to a connection (421 greeting, delays, extension set) needs a host of its
 *           own, and is left out where all domains share one address (macOS).
 */
import { AppError } from '../kernel/errors.ts';
import { BEHAVIOURS } from './behaviour.ts';
import type { Mix } from './behaviour.ts';
import type { Incident } from './incident.ts';

/** In whose manner the hosts word their replies. */
export const FAMILIES = [
  'postfix',
  'gmail',
  'outlook',
  'yahoo',
  'qq',
  'netease',
  'naver',
  'coremail',
] as const;
export type Family = (typeof FAMILIES)[number];

export type Routing =
  /** MX records with rising preference; the first `dead` hosts refuse connections. */
  | { kind: 'mx'; hosts: number; dead?: number; ipv6?: boolean }
  /** MX records that name the hosts of another domain. */
  | { kind: 'hosted'; by: string }
  /** A CNAME to another domain. */
  | { kind: 'alias'; of: string }
  /** No MX, an address. */
  | { kind: 'implicit_mx' }
  /** RFC 7505. */
  | { kind: 'null_mx' }
  | { kind: 'nxdomain' }
  | { kind: 'servfail' }
  /** The DNS server never answers. */
  | { kind: 'silent' }
  /** One MX host, and nobody listens there. */
  | { kind: 'refuses' };

export const EXTENSIONS = [
  'PIPELINING',
  'SIZE',
  '8BITMIME',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'SMTPUTF8',
  'CHUNKING',
  'STARTTLS',
] as const;
export type Extension = (typeof EXTENSIONS)[number];

export interface DomainProfile {
  /** `qq.example`, or `*.tail.example` for every name one label below. Lower case. */
  domain: string;
  /** Share of generated recipients, relative to the other profiles. */
  weight: number;
  family: Family;
  /** What generated recipients are called. */
  people: 'chinese' | 'korean' | 'english';
  routing: Routing;
  mix: Mix;
  /** null: EHLO is not understood. STARTTLS is offered only when the range has a certificate. */
  extensions: readonly Extension[] | null;
  /** 452 4.5.3 after so many accepted recipients of a transaction. */
  maxRecipients: number | null;
  /** Of the first `connections` so many percent are greeted by 421. */
  busy: { percent: number; connections: number } | null;
  greetingDelayMs: number;
  /** Reads no faster than this, as a host with a small receive window behind a thin line. */
  readBytesPerSecond: number | null;
  /** broken: says 220 to STARTTLS, then garbage instead of a handshake. */
  tls: 'works' | 'broken';
  /** What its hosts do wrong on the way, whoever the mail is for. */
  incidents: readonly Incident[];
}

export const COMMON_EXTENSIONS: readonly Extension[] = [
  'PIPELINING',
  'SIZE',
  '8BITMIME',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'SMTPUTF8',
  'STARTTLS',
];

/** A profile in which everything that is not said is ordinary. */
export function profile(
  domain: string,
  weight: number,
  more: Partial<Omit<DomainProfile, 'domain' | 'weight'>> = {},
): DomainProfile {
  return {
    domain: domain.toLowerCase(),
    weight,
    family: 'postfix',
    people: 'english',
    routing: { kind: 'mx', hosts: 1 },
    mix: {},
    extensions: COMMON_EXTENSIONS,
    maxRecipients: null,
    busy: null,
    greetingDelayMs: 0,
    readBytesPerSecond: null,
    tls: 'works',
    incidents: [],
    ...more,
  };
}

const NAME = /^(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;

function mistakeOf(item: DomainProfile, byName: ReadonlyMap<string, DomainProfile>): string | null {
  const total = BEHAVIOURS.reduce((sum, behaviour) => sum + (item.mix[behaviour] ?? 0), 0);
  const { routing } = item;
  if (!NAME.test(item.domain)) return 'is no domain name';
  if (item.weight < 0) return 'has a negative weight';
  if (item.incidents.some(({ percent }) => percent < 0 || percent > 100)) {
    return 'has an incident of less than 0 or more than 100 percent';
  }
  if (total > 100) return `has a mix of ${total} percent`;
  if (routing.kind === 'mx' && (routing.hosts < 1 || routing.hosts > 64)) {
    return 'needs 1 to 64 hosts';
  }
  if (routing.kind === 'mx' && (routing.dead ?? 0) >= routing.hosts) {
    return 'has no host that is alive (routing `refuses` is for that)';
  }
  if (routing.kind !== 'hosted' && routing.kind !== 'alias') return null;
  const owner = byName.get(routing.kind === 'hosted' ? routing.by : routing.of)?.routing.kind;
  return owner === 'mx' || owner === 'implicit_mx' ? null : 'leans on a domain without hosts';
}

/** Throws `config_invalid` with every mistake. */
export function checkProfiles(profiles: readonly DomainProfile[]): void {
  const byName = new Map(profiles.map((item) => [item.domain, item]));
  const mistakes = profiles.flatMap((item) => {
    const mistake = mistakeOf(item, byName);
    return mistake === null ? [] : [`${item.domain} ${mistake}`];
  });
  if (byName.size < profiles.length) mistakes.push('a domain stands there twice');
  if (mistakes.length > 0) throw new AppError('config_invalid', `range: ${mistakes.join('; ')}`);
}
