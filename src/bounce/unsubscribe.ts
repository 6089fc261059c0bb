/**
 * bounce/unsubscribe — one click (RFC 8058): a signed link, and the recipient gets no more of the stream.
 *
 * Promises: idempotent: the same token again changes nothing and answers the same. Suppresses for the
 *           stream of the campaign the link was in, and is committed when it answers.
 * Never:    for a GET: the caller may call this for POST only.
 * Fails:    `unknown` for a forged token, another kind, or a delivery that is not there. A single-copy
 *           message carries a batch token, which does not say who clicked: `address_needed`.
 * See:      findings.ts (the same for mail to the unsubscribe address).
 */
import type { Clock } from '../kernel/clock.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import type { KeyRing } from '../verp/keyring.ts';
import { verifyToken } from '../verp/token.ts';
import { unsubscribe } from './findings.ts';
import { recordFacts } from './record.ts';
import { findDeliveries } from './store.ts';

export interface UnsubscribeDeps {
  sql: Sql;
  keyRing: KeyRing;
  clock: Clock;
}

export type UnsubscribeResult =
  | { outcome: 'unsubscribed'; addressKey: string; stream: string }
  | { outcome: 'address_needed' }
  | { outcome: 'unknown' };

export async function unsubscribeByToken(
  deps: UnsubscribeDeps,
  text: string,
): Promise<UnsubscribeResult> {
  const token = verifyToken(deps.keyRing, text);
  if (token?.kind === 'unsubscribe_batch') return { outcome: 'address_needed' };
  if (token?.kind !== 'unsubscribe') return { outcome: 'unknown' };
  return await deps.sql.begin(async (tx) => {
    const [delivery] = await findDeliveries(tx, [token.id]);
    if (delivery === undefined) return { outcome: 'unknown' };
    const finding = unsubscribe(delivery, 'one-click link');
    await recordFacts(tx, [{ finding, inboundId: null, campaignId: null, at: deps.clock() }]);
    return { outcome: 'unsubscribed', addressKey: delivery.addressKey, stream: delivery.stream };
  });
}
