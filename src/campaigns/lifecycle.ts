/**
 * campaigns/lifecycle — start, pause, resume, cancel.
 *
 * Promises: a transition is one guarded update, its event, its job and its NOTIFY in one transaction:
 *           all of it happened, or none. Two callers at once: one wins, the other gets 409.
 *           Start freezes the audience (uploads ask for a draft) and fixes when the campaign expires.
 * Fails:    `not_found`; `illegal_transition` with `allowed_transitions`; `campaign_empty`;
 *           `conflict` when an upload holds the campaign for longer than a minute.
 * Why pause does not stop the clock: a statement that is late is late, whoever paused it.
 */
import { AppError, invariant } from '../kernel/errors.ts';
import type { EventKind } from '../kernel/events.ts';
import { formatId } from '../kernel/ids.ts';
import type { Tx } from '../kernel/postgres/connect.ts';
import { allowedTransitions, toCampaign } from './campaign.ts';
import type { Campaign, CampaignRow, Transition } from './campaign.ts';
import type { CampaignDeps } from './deps.ts';
import {
  insertCampaignEvent,
  limitLockWait,
  lockCampaign,
  markCancelling,
  markPaused,
  markResumed,
  markStarted,
  notifyCampaign,
  selectCampaign,
} from './store.ts';
import { queueFacts } from './webhooks/store.ts';

const UPLOAD_WAIT_MS = 60_000;
const LOCK_NOT_AVAILABLE = '55P03';

export async function startCampaign(deps: CampaignDeps, id: bigint): Promise<Campaign> {
  return transition(deps, id, 'start', 'campaign.started', async (tx) => {
    if (!(await markStarted(tx, id, deps.clock()))) return false;
    await deps.jobs.enqueueExpansion(tx, id);
    return true;
  });
}

/** No message is begun after it; what is on the wire ends. */
export async function pauseCampaign(deps: CampaignDeps, id: bigint): Promise<Campaign> {
  return transition(deps, id, 'pause', 'campaign.paused', async (tx) => markPaused(tx, id));
}

export async function resumeCampaign(deps: CampaignDeps, id: bigint): Promise<Campaign> {
  return transition(deps, id, 'resume', 'campaign.resumed', async (tx) => {
    const state = await markResumed(tx, id);
    if (state === 'expanding') await deps.jobs.enqueueExpansion(tx, id);
    return state !== undefined;
  });
}

/** Final: what was not sent never will be. A draft can be cancelled too. */
export async function cancelCampaign(deps: CampaignDeps, id: bigint): Promise<Campaign> {
  return transition(deps, id, 'cancel', 'campaign.cancelling', async (tx) => {
    if (!(await markCancelling(tx, id))) return false;
    await deps.jobs.enqueueCancellation(tx, id);
    return true;
  });
}

async function transition(
  deps: CampaignDeps,
  id: bigint,
  name: Transition,
  kind: EventKind,
  change: (tx: Tx) => Promise<boolean>,
): Promise<Campaign> {
  try {
    return await deps.sql.begin(async (tx) => {
      await limitLockWait(tx, UPLOAD_WAIT_MS);
      // First: a guarded update alone would look at the row as it was before the upload it waits for.
      if (!(await lockCampaign(tx, id))) throw new AppError('not_found', 'no such campaign');
      const changed = await change(tx);
      const row = await selectCampaign(tx, id);
      invariant(row !== undefined, 'a locked campaign is there');
      if (!changed) throw refusal(row, name);
      const at = deps.clock();
      await insertCampaignEvent(tx, { kind, campaignId: id, at });
      if (kind === 'campaign.paused' || kind === 'campaign.resumed') {
        const data = { campaign_id: formatId('cmp', id), reason: null };
        await queueFacts(tx, [{ event: kind, at, data }]);
      }
      await notifyCampaign(tx, id);
      return toCampaign(row);
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE) {
      throw new AppError('conflict', `cannot ${name} while recipients are being uploaded`, {
        cause: error,
      });
    }
    throw error;
  }
}

function refusal(row: CampaignRow, name: Transition): AppError {
  if (name === 'start' && row.state === 'draft') {
    return new AppError('campaign_empty', 'the campaign has no recipients; upload some first');
  }
  const allowed = allowedTransitions(row.state);
  const hint = allowed.length === 0 ? 'nothing' : allowed.join(', ');
  return new AppError(
    'illegal_transition',
    `cannot ${name} a campaign in state ${row.state}; possible now: ${hint}`,
    { extra: { state: row.state, allowed_transitions: allowed } },
  );
}
