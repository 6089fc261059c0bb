/**
 * campaigns/alarms/pauses — a sender's mail to one provider is held, and goes on.
 *
 * Promises: within a second no message of any campaign of the sender to the provider is begun; those
 *           on the wire end, the others wait in the queue (their ttl runs on). Mail to other providers
 *           is not touched, nor are Volley's own notices. Only a person resumes: then alarms count
 *           from that moment on, and those that stood are cleared.
 * Fails:    `invalid_request`; `conflict` when it is paused already, or not any more; `not_found`.
 * See:      scheduler/campaigns-in-work.ts (who asks), keeper.ts (who pauses by itself).
 */
import { AppError, invalidValue } from '../../kernel/errors.ts';
import { formatId } from '../../kernel/ids.ts';
import type { Tx } from '../../kernel/postgres/connect.ts';
import { PROVIDER_NAMES } from '../../kernel/providers/provider.ts';
import { slotOf } from '../../kernel/rollups/store.ts';
import type { CampaignDeps } from '../deps.ts';
import { toPage } from '../page.ts';
import type { Page, PageRequest } from '../page.ts';
import { selectSender } from '../senders/store.ts';
import { notifyCampaign } from '../store.ts';
import type { WebhookFact } from '../webhooks/fact.ts';
import { clearedFact, tell } from './tell.ts';
import {
  clearAlarmsOf,
  endPause,
  insertPauses,
  keepBaseline,
  selectPause,
  selectPauses,
} from './pauses/store.ts';
import type { NewPause, PauseRow } from './pauses/store.ts';

export type ProviderPause = PauseRow;

type Deps = Pick<CampaignDeps, 'sql' | 'clock'>;

/** Wakes those who watch the campaigns, whichever they are. */
const ALL_CAMPAIGNS = 0n;

export async function pauseProvider(
  { sql, clock }: Deps,
  input: { senderId: bigint; provider: string; reason: string; by: string },
): Promise<ProviderPause> {
  const { by, ...rest } = input;
  if (!PROVIDER_NAMES.includes(input.provider)) {
    throw invalidValue('/provider', `must be one of ${PROVIDER_NAMES.join(', ')}`);
  }
  return sql.begin(async (tx) => {
    if ((await selectSender(tx, input.senderId)) === undefined) {
      throw invalidValue('/sender_id', 'there is no such sender');
    }
    const pause = { ...rest, alarmId: null, createdAt: clock(), createdBy: by };
    const [row] = await pauseProviders(tx, [pause]);
    if (row === undefined) throw new AppError('conflict', 'it is paused already');
    return row;
  });
}

/** Those that are paused already stay as they are. */
export async function pauseProviders(tx: Tx, pauses: readonly NewPause[]): Promise<PauseRow[]> {
  const rows = await insertPauses(tx, pauses);
  if (rows.length === 0) return rows;
  await tell(
    tx,
    rows.map((row) => factOf('provider.paused', row, row.createdAt, row.createdBy)),
  );
  await notifyCampaign(tx, ALL_CAMPAIGNS);
  return rows;
}

export async function resumeProvider(
  { sql, clock }: Deps,
  id: bigint,
  by: string,
): Promise<ProviderPause> {
  return sql.begin(async (tx) => {
    const now = clock();
    const row = await endPause(tx, id, by, now);
    if (row === undefined) {
      const known = (await selectPause(tx, id)) !== undefined;
      throw known
        ? new AppError('conflict', 'it was resumed already')
        : new AppError('not_found', 'no such pause');
    }
    await keepBaseline(tx, { ...row, slot: slotOf(now) });
    const cleared = await clearAlarmsOf(tx, row, now);
    await tell(tx, [
      factOf('provider.resumed', row, now, by),
      ...cleared.map((alarm) => clearedFact(alarm, now)),
    ]);
    await notifyCampaign(tx, ALL_CAMPAIGNS);
    return row;
  });
}

/** Newest first. */
export async function listPauses(
  { sql }: Pick<Deps, 'sql'>,
  page: PageRequest,
  live: boolean | null = null,
): Promise<Page<ProviderPause>> {
  return toPage(await selectPauses(sql, page, live), page.limit);
}

function factOf(
  event: 'provider.paused' | 'provider.resumed',
  row: PauseRow,
  at: Date,
  by: string,
): WebhookFact {
  return {
    event,
    at,
    data: {
      pause_id: formatId('pps', row.id),
      sender_id: formatId('snd', row.senderId),
      provider: row.provider,
      reason: row.reason,
      alarm_id: row.alarmId === null ? null : formatId('alm', row.alarmId),
      by,
    },
  };
}
