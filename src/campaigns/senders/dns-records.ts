/**
 * campaigns/senders/dns-records — what the owner of the domain has to publish. Pure.
 *
 * Promises: one list for a person to copy, in the order of importance. TXT values are whole: a zone
 *           file wants those over 255 characters in several quoted strings, most DNS consoles split
 *           them by themselves.
 */
import { organisationalDomain } from './alignment.ts';

export interface DnsRecord {
  type: 'TXT' | 'MX';
  name: string;
  value: string;
  /** One sentence: what it is for. */
  purpose: string;
}

export interface DkimFacts {
  selector: string;
  algorithm: string;
  publicKey: string;
  state: 'pending' | 'active' | 'retired';
  retiredAt: Date | null;
}

export interface DnsFacts {
  domain: string;
  bounceDomain: string;
  keys: readonly DkimFacts[];
}

/** Five days in the queue of a relay, and two to be sure. */
const KEEP_MS = 7 * 86_400_000;

/** How long mail signed before may still be on its way. */
export function keepUntil(retiredAt: Date): Date {
  return new Date(retiredAt.getTime() + KEEP_MS);
}

export function dkimRecord(domain: string, key: DkimFacts): DnsRecord {
  const type = key.algorithm === 'ed25519-sha256' ? 'ed25519' : 'rsa';
  return {
    type: 'TXT',
    name: `${key.selector}._domainkey.${domain}`,
    value: `v=DKIM1; k=${type}; p=${key.publicKey}`,
    purpose: dkimPurpose(key),
  };
}

function dkimPurpose({ algorithm, state, retiredAt }: DkimFacts): string {
  if (state === 'pending') return `DKIM, ${algorithm}: publish it, then activate the key`;
  if (retiredAt === null) return `DKIM, ${algorithm}: receivers verify the signature with it`;
  const day = keepUntil(retiredAt).toISOString().slice(0, 10);
  return `DKIM, ${algorithm}: retired; keep it until ${day} for mail that is on its way`;
}

export function dnsRecords(facts: DnsFacts): DnsRecord[] {
  const { domain, bounceDomain, keys } = facts;
  return [
    ...keys.map((key) => dkimRecord(domain, key)),
    {
      type: 'MX',
      name: bounceDomain,
      value: `10 mx.${bounceDomain}`,
      purpose: `Bounces: mx.${bounceDomain} needs an A or AAAA record of the machine whose port 25 leads to the bounce listener`,
    },
    {
      type: 'TXT',
      name: bounceDomain,
      value: 'v=spf1 mx ~all',
      purpose:
        'SPF of the envelope sender: "mx" covers the bounce host; add ip4: or ip6: for every other address that sends',
    },
    {
      type: 'TXT',
      name: `_dmarc.${organisationalDomain(domain)}`,
      value: 'v=DMARC1; p=none',
      purpose:
        'DMARC: keep an existing record; big receivers ask for one, p=none is the least of them',
    },
  ];
}
