/**
 * verp/address — where what comes back is sent to: signed addresses on a bounce domain.
 *
 *     b+<token>@bounce.example      envelope sender: bounces (delivery or batch token)
 *     b+<batch token>+ann=one.example@bounce.example      the same, as a receiver with XVERP gives it
 *     u+<token>@bounce.example      List-Unsubscribe: mailto
 *     fbl+<token>@bounce.example    feedback loops (CFBL-Address, RFC 9477; feedback or batch token)
 *
 * Pure. Promises: local part <= 64 octets (RFC 5321 4.5.3.1.1). `parseReturnAddress` takes the address
 *           as mail systems give it back: any case, a trailing dot, a U-label domain.
 * Never:    says that a token is good: verp/token.ts does. The recipient behind a token is not
 *           signed: it may only choose among those whom the token names.
 */
import { asciiDomain } from '../kernel/address.ts';
import type { TokenKind } from './token.ts';

export type ReturnPurpose = 'bounce' | 'unsubscribe' | 'feedback';

export interface ReturnAddress {
  purpose: ReturnPurpose;
  /** Lower case, not verified. */
  token: string;
  /** Whom the receiver wrote behind the token (XVERP); null as a rule. */
  recipient: string | null;
  /** Lower-case ASCII. */
  domain: string;
}

const PREFIXES: Record<ReturnPurpose, string> = { bounce: 'b', unsubscribe: 'u', feedback: 'fbl' };
const LOCAL_PART = /^(b|u|fbl)\+([a-z2-7]{1,60})(?:\+([^@\s]{1,320}))?$/i;

/** Which kinds of token each address may carry. */
export const KINDS_OF_PURPOSE: Record<ReturnPurpose, readonly TokenKind[]> = {
  bounce: ['delivery', 'batch'],
  unsubscribe: ['unsubscribe', 'unsubscribe_batch'],
  feedback: ['feedback', 'batch'],
};

export function returnAddress(purpose: ReturnPurpose, token: string, domain: string): string {
  return `${PREFIXES[purpose]}+${token}@${domain}`;
}

export function bounceAddress(token: string, domain: string): string {
  return returnAddress('bounce', token, domain);
}

export function unsubscribeAddress(token: string, domain: string): string {
  return returnAddress('unsubscribe', token, domain);
}

export function feedbackAddress(token: string, domain: string): string {
  return returnAddress('feedback', token, domain);
}

export function parseReturnAddress(address: string): ReturnAddress | null {
  const at = address.lastIndexOf('@');
  const parts = LOCAL_PART.exec(address.slice(0, Math.max(at, 0)));
  const domain = asciiDomain(address.slice(at + 1));
  if (parts === null || domain === null) return null;
  const prefix = (parts[1] ?? '').toLowerCase();
  const purpose = prefix === 'b' ? 'bounce' : prefix === 'u' ? 'unsubscribe' : 'feedback';
  const recipient = parts[3] === undefined ? null : verpRecipient(parts[3]);
  if (parts[3] !== undefined && (purpose !== 'bounce' || recipient === null)) return null;
  return { purpose, token: (parts[2] ?? '').toLowerCase(), recipient, domain };
}

/** `ann=one.example` -> `ann@one.example`; a local part may hold `=` itself. */
function verpRecipient(text: string): string | null {
  const at = text.lastIndexOf('=');
  return at < 1 || at === text.length - 1 ? null : `${text.slice(0, at)}@${text.slice(at + 1)}`;
}
