/**
 * bounce/unsubscribe — one click (RFC 8058): a signed link, and the recipient gets no more of the stream.
 *
 * Promises: idempotent: the same token again changes nothing and answers the same. Suppresses for the
 *           stream of the campaign the link was in, and is committed when it answers.
 *           A single-copy message carries a batch token, which does not say who clicked: without an
 *           address the answer is `address_needed`, and only recipients of the batch can leave by it.
 * Never:    for a GET: the caller may call this for POST only.
 * Fails:    `unknown` for a forged token, another kind, or a delivery that is not there.
 * See:      findings.ts (the same for mail to the unsubscribe address).
 */
import { parseAddress } from '../kernel/address.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import type { KeyRing } from '../verp/keyring.ts';
import { verifyToken } from '../verp/token.ts';
import { unsubscribe } from './findings.ts';
import { recordFacts } from './record.ts';
import { findBatchRecipients, findDeliveries } from './store.ts';

export interface UnsubscribeDeps {
  sql: Sql;
  keyRing: KeyRing;
  clock: Clock;
}

export type UnsubscribeResult =
  | { outcome: 'unsubscribed'; addressKey: string; stream: string }
  | { outcome: 'address_needed' }
  | { outcome: 'unknown' };

/** `email`: who leaves by the link of a single copy; other links know. */
export async function unsubscribeByToken(
  deps: UnsubscribeDeps,
  text: string,
  email: string | null = null,
): Promise<UnsubscribeResult> {
  const token = verifyToken(deps.keyRing, text);
  const isBatch = token?.kind === 'unsubscribe_batch';
  if (token === null || (token.kind !== 'unsubscribe' && !isBatch)) return { outcome: 'unknown' };
  const address = parseAddress(email ?? '');
  if (isBatch && !address.ok) return { outcome: 'address_needed' };
  return await deps.sql.begin(async (tx) => {
    const addressKey = address.ok ? address.value.key : '';
    const [delivery] = isBatch
      ? await findBatchRecipients(tx, [{ batchId: token.id, addressKey }])
      : await findDeliveries(tx, [token.id]);
    if (delivery === undefined) return { outcome: 'unknown' };
    const finding = unsubscribe(delivery, 'one-click link');
    await recordFacts(tx, [{ finding, inboundId: null, campaignId: null, at: deps.clock() }]);
    return { outcome: 'unsubscribed', addressKey: delivery.addressKey, stream: delivery.stream };
  });
}
