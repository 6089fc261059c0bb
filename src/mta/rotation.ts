/**
 * mta/rotation — whose turn it is among the sources of a pool.
 *
 * Pure; the time is an argument.
 *
 * Promises: smooth weighted round robin over all connections of a pool: of weights 3 and 1 every
 *           fourth turn is the second's. A source that failed at a site where another one worked
 *           drops out there for ten minutes; one that cannot be used at all (its address is gone, its
 *           proxy is down) drops out everywhere for one. Then it is tried again. Bounded: 10,000
 *           entries, the oldest goes first.
 */
import type { Source } from './source.ts';

export interface Rotation {
  /** The sources that may be tried, the one whose turn it is first. */
  order(pool: string, site: string, sources: readonly Source[], nowMs: number): Source[];
  /** It failed there, and another source did not. */
  drop(site: string, source: Source, nowMs: number): void;
  /** It failed by itself, whatever the site. */
  dropEverywhere(source: Source, nowMs: number): void;
  /** Until when a source is not tried for a site; null: it is. */
  droppedUntilMs(site: string, source: Source, nowMs: number): number | null;
}

export interface RotationOptions {
  siteMs?: number;
  everywhereMs?: number;
}

const MAX_ENTRIES = 10_000;

interface State {
  /** By pool and source: smooth weighted round robin keeps its debts here. */
  credits: Map<string, Map<string, number>>;
  dropped: Map<string, number>;
  siteMs: number;
  everywhereMs: number;
}

export function createRotation(options: RotationOptions = {}): Rotation {
  const state: State = {
    credits: new Map(),
    dropped: new Map(),
    siteMs: options.siteMs ?? 600_000,
    everywhereMs: options.everywhereMs ?? 60_000,
  };
  return {
    order: (pool, site, sources, nowMs) => order(state, pool, site, sources, nowMs),
    drop: (site, source, nowMs) => drop(state, keyOf(site, source), nowMs + state.siteMs),
    dropEverywhere: (source, nowMs) => drop(state, keyOf('', source), nowMs + state.everywhereMs),
    droppedUntilMs: (site, source, nowMs) => droppedUntilMs(state, site, source, nowMs),
  };
}

function keyOf(site: string, { id }: Source): string {
  return `${site}\n${id}`;
}

function drop(state: State, key: string, untilMs: number): void {
  state.dropped.delete(key);
  state.dropped.set(key, untilMs);
  const [oldest] = state.dropped.keys();
  if (state.dropped.size > MAX_ENTRIES && oldest !== undefined) state.dropped.delete(oldest);
}

function droppedUntilMs(state: State, site: string, source: Source, nowMs: number): number | null {
  const ends = [keyOf(site, source), keyOf('', source)].map((key) => state.dropped.get(key) ?? 0);
  const untilMs = Math.max(...ends);
  return untilMs > nowMs ? untilMs : null;
}

function order(
  state: State,
  pool: string,
  site: string,
  sources: readonly Source[],
  nowMs: number,
): Source[] {
  const usable = sources.filter((one) => droppedUntilMs(state, site, one, nowMs) === null);
  const before = state.credits.get(pool);
  // Only sources that are still in the pool have credit.
  const credits = new Map(sources.map(({ id }) => [id, before?.get(id) ?? 0]));
  const weights = usable.reduce((sum, { weight }) => sum + weight, 0);
  for (const { id, weight } of usable) credits.set(id, (credits.get(id) ?? 0) + weight);
  const credit = ({ id }: Source): number => credits.get(id) ?? 0;
  const ordered = [...usable].sort((a, b) => credit(b) - credit(a));
  const [first] = ordered;
  if (first !== undefined) credits.set(first.id, credit(first) - weights);
  state.credits.set(pool, credits);
  return ordered;
}
