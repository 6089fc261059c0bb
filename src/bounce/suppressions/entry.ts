/**
 * bounce/suppressions/entry — what somebody hands in for the list, checked and normalised.
 *
 * Pure. Promises: the same checks for the API and for a CSV row. Addresses become keys, sender domains
 *           lower-case ASCII; a note keeps no control characters and at most 1,000 of the others.
 * Fails:    with the field and the reason as a value.
 */
import { asciiDomain, parseAddress } from '../../kernel/address.ts';
import { REASONS_BY_STRENGTH, streamOfSender, SUPPRESSION_SCOPES } from './suppression.ts';
import type { SuppressionReason, SuppressionScope } from './suppression.ts';

export const STREAMS = ['transactional', 'statement', 'marketing'] as const;
const MAX_NOTE_CHARACTERS = 1_000;

/** As it comes; empty and absent mean the same. */
export interface EntryInput {
  email: string;
  /** `manual` when absent. */
  reason?: string;
  /** `global` when absent. */
  scope?: string;
  scopeValue?: string;
  note?: string;
  /** ISO 8601. */
  expiresAt?: string;
}

export interface Entry {
  addressKey: string;
  reason: SuppressionReason;
  scope: SuppressionScope;
  scopeValue: string;
  evidence: string | null;
  expiresAt: Date | null;
}

export type EntryField = keyof EntryInput;
export type EntryResult =
  { ok: true; value: Entry } | { ok: false; field: EntryField; reason: string };

export function readEntry(input: EntryInput, now: Date): EntryResult {
  const address = parseAddress(input.email);
  if (!address.ok) return refuse('email', address.reason);
  const reason = oneOf(REASONS_BY_STRENGTH, input.reason, 'manual');
  if (reason === null) return refuse('reason', `must be one of ${REASONS_BY_STRENGTH.join(', ')}`);
  const scope = oneOf(SUPPRESSION_SCOPES, input.scope, 'global');
  if (scope === null) return refuse('scope', `must be one of ${SUPPRESSION_SCOPES.join(', ')}`);
  const scopeValue = readScopeValue(scope, input.scopeValue ?? '');
  if (scopeValue === null) return refuse('scopeValue', SCOPE_VALUE_RULES[scope]);
  const expiresAt = readTime(input.expiresAt ?? '');
  if (expiresAt !== null && !(expiresAt > now)) {
    return refuse('expiresAt', 'must be an ISO 8601 time in the future');
  }
  const evidence = plainText(input.note ?? '');
  return {
    ok: true,
    value: { addressKey: address.value.key, reason, scope, scopeValue, evidence, expiresAt },
  };
}

function refuse(field: EntryField, reason: string): EntryResult {
  return { ok: false, field, reason };
}

function oneOf<T extends string>(
  known: readonly T[],
  given: string | undefined,
  fallback: T,
): T | null {
  if (given === undefined || given === '') return fallback;
  return known.find((value) => value === given) ?? null;
}

const SCOPE_VALUE_RULES: Record<SuppressionScope, string> = {
  global: 'must be empty for the global scope',
  sender: 'must be the domain of a sender',
  stream: `must be one of ${STREAMS.join(', ')}, or one of them behind a sender's domain: shop.example/marketing`,
};

function readScopeValue(scope: SuppressionScope, given: string): string | null {
  switch (scope) {
    case 'global':
      return given === '' ? '' : null;
    case 'sender':
      return asciiDomain(given);
    case 'stream':
      return readStream(given);
  }
}

/** Of all senders, or of one. */
function readStream(given: string): string | null {
  const at = given.lastIndexOf('/');
  const stream = STREAMS.find((name) => name === given.slice(at + 1));
  if (stream === undefined || at < 0) return stream ?? null;
  const domain = asciiDomain(given.slice(0, at));
  return domain === null ? null : streamOfSender(domain, stream);
}

/** null when absent; an invalid Date when it is none. */
function readTime(given: string): Date | null {
  return given === '' ? null : new Date(/^\d{4}-\d\d-\d\d/.test(given) ? given : Number.NaN);
}

/** One line of text that the database and a report can hold; null when nothing is left. */
export function plainText(text: string): string | null {
  const plain = text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .toWellFormed()
    .trim()
    .slice(0, MAX_NOTE_CHARACTERS)
    .toWellFormed();
  return plain === '' ? null : plain;
}
