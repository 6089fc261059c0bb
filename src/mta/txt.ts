/**
 * mta/txt — TXT records as texts: the strings of one record joined, as RFC 6376 and RFC 8461 want it.
 *
 * Fails: as a value; `none` when there is no such name or no such record.
 */
import type { Answer } from 'dns-packet';
import type { DnsClient } from './dns.ts';

export type TxtAnswer =
  | { status: 'answer'; texts: readonly string[]; ttlSeconds: number }
  | { status: 'none'; ttlSeconds: number }
  | { status: 'unknown'; reason: string };

export async function lookupTxt(dns: DnsClient, name: string): Promise<TxtAnswer> {
  const answer = await dns.lookup(name, 'TXT');
  switch (answer.status) {
    case 'answer':
      return {
        status: 'answer',
        texts: answer.records.flatMap(textOf),
        ttlSeconds: answer.ttlSeconds,
      };
    case 'no_data':
    case 'no_name':
      return { status: 'none', ttlSeconds: answer.ttlSeconds };
    case 'temporary':
      return { status: 'unknown', reason: answer.reason };
  }
}

function textOf(record: Answer): string[] {
  if (record.type !== 'TXT') return [];
  const strings = Array.isArray(record.data) ? record.data : [record.data];
  return [strings.map((part) => part.toString()).join('')];
}
