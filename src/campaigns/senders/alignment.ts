/**
 * campaigns/senders/alignment — which bounce domains go with a From domain. Pure.
 *
 * DMARC accepts SPF only when the envelope sender's domain and the From domain share their
 * organisational domain (RFC 7489 3.1.2, relaxed). A sender that can never align would pass by DKIM
 * alone, and fail as soon as a list server breaks the signature; nobody wants that on purpose, so it
 * is refused when the sender is made and not warned about.
 */
import { getDomain } from 'tldts';

/** By the public suffix list, private section included; the domain itself when it is a suffix. */
export function organisationalDomain(domain: string): string {
  return getDomain(domain, { allowPrivateDomains: true }) ?? domain;
}

export function alignsRelaxed(fromDomain: string, bounceDomain: string): boolean {
  return organisationalDomain(fromDomain) === organisationalDomain(bounceDomain);
}
