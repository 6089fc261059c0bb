/**
 * scheduler/fairness — in which order campaigns may claim, and how much each.
 *
 * Pure. Lanes by stream: transactional before statement before marketing. Inside a lane the room is
 * shared evenly and the order rotates, so that no campaign is always first.
 *
 * Promises: a campaign that has room left over leaves it to the next; a lower lane gets what the
 *           higher ones did not use. A lower lane may wait while a higher one is full: a newsletter
 *           must not delay a one-time code.
 */
import type { CampaignInWork } from './campaigns-in-work.ts';

const LANES: CampaignInWork['stream'][] = ['transactional', 'statement', 'marketing'];

/** Campaigns by lane, each lane rotated by `turn`. */
export function lanes(campaigns: readonly CampaignInWork[], turn: number): CampaignInWork[][] {
  return LANES.map((stream) => {
    const lane = campaigns.filter((campaign) => campaign.stream === stream);
    const start = lane.length === 0 ? 0 : turn % lane.length;
    return [...lane.slice(start), ...lane.slice(0, start)];
  }).filter((lane) => lane.length > 0);
}

/** The share of the next of `waiting` campaigns in a lane, out of `room` batches. */
export function share(room: number, waiting: number): number {
  return Math.max(1, Math.ceil(room / Math.max(1, waiting)));
}
