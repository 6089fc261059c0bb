/**
 * bounce/erasure/erasure — a person is forgotten on request, and still not written to.
 *
 * Promises: from the first commit on nothing is sent to the address. When `erase` says `completed`, no
 *           table holds it any more, and the block survives as a keyed hash: neither an upload nor an
 *           import brings it back. While campaigns with it are still being sent, or an upload is
 *           running, the keeper goes on every minute until it is done.
 * Not:      what was written elsewhere: logs of the receivers, backups, messages already delivered;
 *           answers kept for an Idempotency-Key (24 h). The domain stays in counts.
 * Fails:    `invalid_request` when it is no address.
 * Locks:    one campaign at a time, so that an upload waits for an instant only.
 * See:      DESIGN.md "Erasure", docs/suppressions.md.
 */
import { parseAddress } from '../../kernel/address.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Sql } from '../../kernel/postgres/connect.ts';
import { addSuppressions } from '../suppressions/store.ts';
import { createAddressHasher } from './erased.ts';
import {
  completeErasure,
  deleteByAddress,
  emptyEvents,
  emptyInbound,
  emptyRecipient,
  emptyRejects,
  findDrafts,
  findHoldings,
  findOpenErasures,
  insertErasure,
  lockCampaign,
  searchDelivery,
} from './store.ts';
import type { OpenErasure } from './store.ts';

export interface ErasureDeps {
  sql: Sql;
  secret: string;
  previousSecrets: readonly string[];
}

export interface ErasureResult {
  id: bigint;
  completed: boolean;
  /** Campaigns that still need the address, or take an upload: the keeper waits for them. */
  waitingFor: bigint[];
}

const UPLOAD_WAIT_MS = 2_000;
const LOCK_NOT_AVAILABLE = '55P03';
const OPEN_IN_A_TURN = 1_000;
/** Their deliveries are over, or not made yet. */
const QUIET_STATES: readonly string[] = ['draft', 'completed', 'cancelled'];

export async function erase(deps: ErasureDeps, email: string, by: string): Promise<ErasureResult> {
  const address = parseAddress(email);
  if (!address.ok) {
    throw new AppError('invalid_request', `this is no mail address: it ${address.reason}`);
  }
  const addressKey = address.value.key;
  const [hash = ''] = createAddressHasher(deps).hashesOf(addressKey);
  const id = await deps.sql.begin(async (tx) => {
    await addSuppressions(tx, [
      {
        addressKey,
        reason: 'policy',
        origin: 'operator',
        evidence: 'erased on request',
        campaignId: null,
        deliveryId: null,
        createdBy: by,
        expiresAt: null,
      },
    ]);
    return await insertErasure(tx, { hash, addressKey, by });
  });
  return await goOn(deps.sql, { id, addressKey }, await waitForUploads(deps.sql));
}

/** For the keeper: those that had to wait. */
export async function completeErasures(sql: Sql): Promise<void> {
  const open = await findOpenErasures(sql, OPEN_IN_A_TURN);
  if (open.length === 0) return;
  // Once for all of them: all their hashes are committed.
  const busy = await waitForUploads(sql);
  for (const erasure of open) await goOn(sql, erasure, busy);
}

async function goOn(
  sql: Sql,
  { id, addressKey }: OpenErasure,
  busy: readonly bigint[],
): Promise<ErasureResult> {
  const holdings = await findHoldings(sql, addressKey);
  for (const { campaignId, state } of holdings) {
    if (!QUIET_STATES.includes(state) || busy.includes(campaignId)) continue;
    // Another upload may have begun: it is left, and found again below.
    await unlessLocked(() => emptyCampaign(sql, addressKey, campaignId));
  }
  // A draft may have been started since: what is left is asked again.
  const left = (await findHoldings(sql, addressKey)).map((each) => each.campaignId);
  const waitingFor = [...new Set([...left, ...busy])];
  if (waitingFor.length > 0) return { id, completed: false, waitingFor };
  await sql.begin(async (tx) => {
    await emptyInbound(tx, addressKey, [], null);
    await deleteByAddress(tx, addressKey);
    await completeErasure(tx, id);
  });
  return { id, completed: true, waitingFor: [] };
}

/** Every upload that began before our hash was committed has ended; the drafts where it has not. */
async function waitForUploads(sql: Sql): Promise<bigint[]> {
  const busy: bigint[] = [];
  for (const campaignId of await findDrafts(sql)) {
    const waitMs = busy.length > 0 ? 1 : UPLOAD_WAIT_MS;
    const isFree = await unlessLocked(() =>
      sql.begin((tx) => lockCampaign(tx, campaignId, waitMs)),
    );
    if (!isFree) busy.push(campaignId);
  }
  return busy;
}

/** false: somebody held the campaign for too long. */
async function unlessLocked(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code !== LOCK_NOT_AVAILABLE) throw error;
    return false;
  }
}

async function emptyCampaign(sql: Sql, addressKey: string, campaignId: bigint): Promise<void> {
  await sql.begin(async (tx) => {
    const state = await lockCampaign(tx, campaignId, UPLOAD_WAIT_MS);
    if (state === undefined || !QUIET_STATES.includes(state)) return;
    const emptied = await emptyRecipient(tx, addressKey, campaignId);
    if (emptied === undefined) return;
    const deliveryId =
      emptied.deliveryId ?? (await searchDelivery(tx, campaignId, emptied.recipientId));
    const deliveryIds = deliveryId === null ? [] : [deliveryId];
    await emptyEvents(tx, deliveryIds);
    await emptyInbound(tx, addressKey, deliveryIds, campaignId);
    await emptyRejects(tx, addressKey, campaignId);
  });
}
