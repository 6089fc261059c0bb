/**
 * mta/tls/dane — the TLSA records of an MX host (RFC 7672 2.2).
 *
 * Promises: asked only for hosts whose MX and address records DNSSEC vouches for; servers of unsigned
 *           zones that stumble over TLSA are never asked. Where the host's name is an alias, the name
 *           at its end is asked first, then the host's own. A failed look-up is no answer: the host
 *           must not be used (2.1.1). Nothing stale is given out: an old "no" would switch DANE off.
 */
import { createAnswerCache } from '../answer-cache.ts';
import type { AnswerCache, Loaded } from '../answer-cache.ts';
import type { DnsClient } from '../dns.ts';
import { isUsable } from './tlsa.ts';
import type { TlsaRecord } from './tlsa.ts';

export type DaneFinding =
  | { kind: 'none' }
  /** `baseDomain`: the name in SNI, and in the certificate (DANE-TA). Unusable records: empty. */
  | {
      kind: 'records';
      records: readonly TlsaRecord[];
      baseDomain: string;
      texts: readonly string[];
    }
  | { kind: 'failed'; reason: string };

export interface DaneLookup {
  /** `owner`: the name at the end of the host's aliases. */
  recordsOf(host: string, owner: string, port: number): Promise<DaneFinding>;
}

const MAX_NAMES = 20_000;
const MAX_RECORDS = 32;
const FAILURE_TTL_MS = 5_000;

export function createDaneLookup(dns: DnsClient, nowMs: () => number): DaneLookup {
  const cache = createAnswerCache<DaneFinding>(MAX_NAMES, nowMs, 0);
  return {
    async recordsOf(host, owner, port) {
      const first = await lookup(cache, dns, owner, port);
      return first.kind === 'none' && host !== owner ? lookup(cache, dns, host, port) : first;
    },
  };
}

function lookup(
  cache: AnswerCache<DaneFinding>,
  dns: DnsClient,
  name: string,
  port: number,
): Promise<DaneFinding> {
  return cache.get(`${port} ${name}`, () => load(dns, name, port));
}

async function load(dns: DnsClient, name: string, port: number): Promise<Loaded<DaneFinding>> {
  const answer = await dns.lookup(`_${port}._tcp.${name}`, 'TLSA');
  if (answer.status === 'temporary') {
    const value: DaneFinding = { kind: 'failed', reason: answer.reason };
    return { value, ttlMs: FAILURE_TTL_MS, isFailure: true };
  }
  const ttlMs = Math.min(Math.max(answer.ttlSeconds, 30), 3_600) * 1_000;
  if (answer.status !== 'answer' || !answer.secure) {
    return { value: { kind: 'none' }, ttlMs, isFailure: false };
  }
  const all = answer.records.slice(0, MAX_RECORDS).flatMap((record): TlsaRecord[] => {
    if (record.type !== 'TLSA') return [];
    const { usage, selector, matchingType, certificate } = record.data;
    return [{ usage, selector, matchingType, data: certificate }];
  });
  const records = all.filter(isUsable);
  const value: DaneFinding = { kind: 'records', records, baseDomain: name, texts: all.map(textOf) };
  return { value, ttlMs, isFailure: false };
}

/** As the reports show it (RFC 8460 4.4, policy-string). */
function textOf({ usage, selector, matchingType, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${Buffer.from(data.subarray(0, 1_024)).toString('hex')}`;
}
