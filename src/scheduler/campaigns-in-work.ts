/**
 * scheduler/campaigns-in-work — which campaigns may be sent right now, in memory.
 *
 * Promises: at most a second behind the database: refreshed by NOTIFY, and every second in case a
 *           notification was lost. The runner asks before it begins each message, so a pause or
 *           cancel takes effect within a second and no message is begun after it.
 * See:      scheduler/dispatch.ts, campaigns/lifecycle (sends the NOTIFY in its transaction).
 */
import { CHANNELS } from '../kernel/events.ts';
import { startLoop } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { listCampaignsInWork } from './queue/store.ts';
import type { CampaignInWork } from './queue/store.ts';

export type { CampaignInWork };

export interface CampaignsInWork {
  get(id: bigint): CampaignInWork | undefined;
  all(): CampaignInWork[];
  /** Whether a message of it to `provider` may be begun at `now`. */
  maySend(id: bigint, provider: string, now: Date): boolean;
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

const REFRESH_MS = 1_000;

export async function watchCampaigns(
  sql: Sql,
  log: Logger,
  onChange: () => void,
): Promise<CampaignsInWork> {
  let known = new Map<bigint, CampaignInWork>();
  async function refresh(): Promise<void> {
    const rows = await listCampaignsInWork(sql);
    known = new Map(rows.map((row) => [row.id, row]));
    onChange();
  }
  await refresh();
  const loop = startLoop({
    intervalMs: REFRESH_MS,
    step: refresh,
    onError: (error) => {
      // Nothing is begun on knowledge that may be stale: a pause could have been missed.
      known = new Map();
      log.error({ err: error }, 'cannot read the campaigns in work; sending pauses');
    },
  });
  const listener = await sql.listen(CHANNELS.campaigns, () => loop.wake());

  return {
    get: (id) => known.get(id),
    all: () => [...known.values()],
    maySend(id, provider, now) {
      const campaign = known.get(id);
      if (campaign === undefined || !isSendable(campaign, now)) return false;
      return !campaign.pausedProviders.includes(provider);
    },
    refresh,
    async stop() {
      await listener.unlisten();
      await loop.stop();
    },
  };
}

export function isSendable(campaign: CampaignInWork, now: Date): boolean {
  const live = campaign.state === 'sending' || campaign.state === 'expanding';
  return live && now < campaign.expiresAt;
}
