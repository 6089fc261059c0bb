/** campaigns/alarms/alarms — the alarms that stand, and those that were. */
import type { CampaignDeps } from '../deps.ts';
import { toPage } from '../page.ts';
import type { Page, PageRequest } from '../page.ts';
import { selectAlarms } from './store.ts';
import type { AlarmRow } from './store.ts';

export type Alarm = AlarmRow;

/** Newest first. `live` null: all of them. */
export async function listAlarms(
  { sql }: Pick<CampaignDeps, 'sql'>,
  page: PageRequest,
  live: boolean | null = null,
): Promise<Page<Alarm>> {
  return toPage(await selectAlarms(sql, page, live), page.limit);
}
