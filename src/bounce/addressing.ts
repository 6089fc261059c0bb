/**
 * bounce/addressing — whom a message was sent to when the envelope is lost: in a mailbox, a file.
 *
 * Pure. Promises: the fields that delivering hosts write (Delivered-To, X-Original-To, ...) are tried
 *           before those that the author wrote (To, Cc), each in the order of the message, 100
 *           addresses at most. They are candidates: only a signed token makes one ours.
 *           When no address is left, the signed trace of the returned message names the delivery.
 */
import { verifyToken } from '../verp/token.ts';
import type { KeyRing } from '../verp/keyring.ts';
import { KINDS_OF_PURPOSE } from '../verp/address.ts';
import type { Destination } from './destination.ts';
import type { Inspection } from './inspection.ts';
import type { Headers } from './message.ts';

const FIELDS = [
  'delivered-to',
  'x-original-to',
  'x-envelope-to',
  'envelope-to',
  'x-delivered-to',
  'x-rcpt-to',
  'apparently-to',
  'to',
  'cc',
];
const MAX_CANDIDATES = 100;
const ADDRESS = /[^\s<>,;:"()[\]]{1,100}@[^\s<>,;:"()[\]]{1,255}/g;

export interface Addressed {
  candidates: string[];
  /** What Return-Path says; empty for the null sender and when there is none. */
  envelopeSender: string;
}

export function findAddressed(headers: Headers): Addressed {
  const candidates = new Set<string>();
  for (const field of FIELDS) {
    for (const value of headers.get(field) ?? []) {
      for (const [address] of value.matchAll(ADDRESS)) {
        if (candidates.size < MAX_CANDIDATES) candidates.add(address);
      }
    }
  }
  const returnPath = headers.get('return-path')?.[0] ?? '';
  const [envelopeSender = ''] = returnPath.match(ADDRESS) ?? [];
  return { candidates: [...candidates], envelopeSender };
}

export function traced(ring: KeyRing, inspection: Inspection): Destination | null {
  const token = inspection.traceToken === null ? null : verifyToken(ring, inspection.traceToken);
  if (token === null || !KINDS_OF_PURPOSE.feedback.includes(token.kind)) return null;
  const purpose = inspection.kind === 'feedback' ? 'feedback' : 'bounce';
  const address = `trace:${(inspection.traceToken ?? '').toLowerCase()}`;
  return { purpose, token, domain: '', address, recipient: null };
}
