/**
 * campaigns/webhooks/signature — signs what is posted, as standardwebhooks.com says. Pure.
 *
 * HMAC-SHA-256 over `id.timestamp.body`, base64, behind `v1,`. A secret is `whsec_` and the base64 of
 * 24 to 64 bytes; libraries for many languages check it.
 *
 * Promises: `verifies` compares in constant time, and refuses what is older or newer than 5 minutes.
 * See:      docs/alarms.md "Webhooks".
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

const PREFIX = 'whsec_';
const MIN_BYTES = 24;
const MAX_BYTES = 64;
const TOLERANCE_SECONDS = 300;

export interface SignedParts {
  id: string;
  /** Seconds since 1970. */
  timestamp: number;
  body: string;
}

export function formatSecret(bytes: Uint8Array): string {
  return PREFIX + Buffer.from(bytes).toString('base64');
}

export function isSecret(text: string): boolean {
  const key = keyOf(text);
  return key !== null && key.length >= MIN_BYTES && key.length <= MAX_BYTES;
}

export function sign(secret: string, { id, timestamp, body }: SignedParts): string {
  const key = keyOf(secret) ?? Buffer.from(secret);
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

export function verifies(
  secret: string,
  parts: SignedParts,
  signature: string,
  now: Date,
): boolean {
  if (Math.abs(now.getTime() / 1_000 - parts.timestamp) > TOLERANCE_SECONDS) return false;
  const wanted = Buffer.from(sign(secret, parts));
  return signature.split(' ').some((one) => {
    const given = Buffer.from(one);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

function keyOf(secret: string): Buffer | null {
  if (!secret.startsWith(PREFIX)) return null;
  const text = secret.slice(PREFIX.length);
  const key = Buffer.from(text, 'base64');
  return key.toString('base64') === text ? key : null;
}
