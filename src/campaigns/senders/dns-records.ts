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

export interface DnsFacts {
  domain: string;
  bounceDomain: string;
  keys: readonly { selector: string; algorithm: string; publicKey: string }[];
}

export function dnsRecords(facts: DnsFacts): DnsRecord[] {
  const { domain, bounceDomain, keys } = facts;
  const dkim = keys.map((key): DnsRecord => {
    const type = key.algorithm === 'ed25519-sha256' ? 'ed25519' : 'rsa';
    return {
      type: 'TXT',
      name: `${key.selector}._domainkey.${domain}`,
      value: `v=DKIM1; k=${type}; p=${key.publicKey}`,
      purpose: `DKIM, ${key.algorithm}: receivers verify the signature with it`,
    };
  });
  return [
    ...dkim,
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
