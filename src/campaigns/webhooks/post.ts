/**
 * campaigns/webhooks/post — one attempt: a signed POST, and what came of it.
 *
 * Promises: at most 10 seconds and 16 KiB of answer; no redirect is followed; certificates are
 *           verified; only addresses that target.ts allows are connected to, and it is the checked
 *           address that is connected to (no second look-up in between). 2xx is received, all else
 *           is not.
 * Never:    throws, logs the secret, keeps what the server said.
 */
import { lookup as lookUp } from 'node:dns/promises';
import { isIP } from 'node:net';
import { ask, drain } from '../../kernel/ask.ts';
import { AppError, messageOf } from '../../kernel/errors.ts';
import { sign } from './signature.ts';
import { hostOf, mayReach, targetProblem } from './target.ts';

export interface Posting {
  url: string;
  secret: string;
  /** The same at every attempt: receivers drop what they have seen. */
  id: string;
  body: string;
  now: Date;
  signal?: AbortSignal;
}

export type PostResult =
  { ok: true; status: number } | { ok: false; status: number | null; reason: string };

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 16_384;

export async function postWebhook(posting: Posting): Promise<PostResult> {
  const problem = targetProblem(posting.url);
  if (problem !== null) return { ok: false, status: null, reason: `the URL ${problem}` };
  const patience = AbortSignal.timeout(TIMEOUT_MS);
  const signal =
    posting.signal === undefined ? patience : AbortSignal.any([patience, posting.signal]);
  try {
    const url = new URL(posting.url);
    const addresses = await addressesOf(hostOf(url), signal);
    const { body } = posting;
    const response = await ask(url, { addresses, headers: headersOf(posting), body, signal });
    const status = response.statusCode ?? 0;
    await drain(response, MAX_ANSWER_BYTES);
    if (status >= 200 && status < 300) return { ok: true, status };
    return { ok: false, status, reason: `answered ${status}` };
  } catch (error) {
    const reason = patience.aborted ? 'no answer within 10 seconds' : messageOf(error);
    return { ok: false, status: null, reason: reason.slice(0, 200) };
  }
}

/** Refused when a single one of them may not be reached: a name is one party's. */
async function addressesOf(host: string, signal: AbortSignal): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await Promise.race([lookUp(host, { all: true }), aborted(signal)]);
  const addresses = found.map(({ address }) => address);
  if (addresses.length > 0 && addresses.every((address) => mayReach(host, address))) {
    return addresses;
  }
  throw new AppError('invalid_request', 'the name points into a private network');
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('broken off')), { once: true });
  });
}

function headersOf({ secret, id, body, now }: Posting): Record<string, string> {
  const timestamp = Math.floor(now.getTime() / 1_000);
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': sign(secret, { id, timestamp, body }),
  };
}
