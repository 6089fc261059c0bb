/**
 * bench/bench — the words of the harness: a bench prepares contenders, a contender runs and gives
 * samples, a sample that lost or doubled a message is a fault and no number.
 */
import type { Settings } from './settings.ts';

/** One run of one contender. */
export interface Sample {
  /** Units of work done. */
  count: number;
  seconds: number;
  /** Of the measured program, without database and sink; null: not known. */
  cpuSeconds: number | null;
  /** Highest resident memory of the measured program; null: not known. */
  peakRssBytes: number | null;
  /** Further figures by name; units in the names. */
  figures: Record<string, number>;
  /** Lost, doubled or unaccounted messages. Not empty: a failed run. */
  faults: string[];
}

/**
 * `limit`: what the machine can do at most; `peer`: another system; `baseline`: Volley itself in the
 * state that a bar compares with; `other`: a figure that stands beside it, not to be compared.
 */
export type Role = 'volley' | 'limit' | 'peer' | 'baseline' | 'other';

export interface Contender {
  name: string;
  role: Role;
  run(round: number): Promise<Sample>;
}

/** What makes this run of a bench differ from another one: `dkim=rsa size=10240`. */
export type Variant = Readonly<Record<string, string | number>>;

export interface Prepared {
  contenders: Contender[];
  /** In words: what was scaled down, which sink, which peer is missing. */
  notes: string[];
  close(): Promise<void>;
}

/** Which number of a sample is the result. */
export interface Headline {
  unit: string;
  better: 'higher' | 'lower';
  of(sample: Sample): number;
}

export interface Bench {
  name: string;
  /** One sentence. */
  measures: string;
  headline: Headline;
  /** Settings become one or more variants, each measured and kept apart. */
  variants(settings: Settings): Settings[];
  describe(settings: Settings): Variant;
  prepare(settings: Settings): Promise<Prepared>;
  bars(result: Measured, settings: Settings): Bar[];
}

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export interface ContenderResult {
  name: string;
  role: Role;
  /** Units of work of one run; absent in rows from before it was kept. */
  count?: number;
  headline: Spread;
  /** CPU of one unit of work. */
  cpuUs: number | null;
  peakRssMb: number | null;
  /** Medians. */
  figures: Record<string, number>;
}

export interface Measured {
  contenders: ContenderResult[];
  faults: string[];
}

/** A promise of the project about speed. */
export interface Bar {
  what: string;
  want: number;
  better: 'higher' | 'lower';
  /** null: could not be measured in this run. */
  got: number | null;
}

export function reached(bar: Bar): boolean {
  if (bar.got === null) return false;
  return bar.better === 'higher' ? bar.got >= bar.want : bar.got <= bar.want;
}

export function perSecond(unit: string): Headline {
  return { unit: `${unit}/s`, better: 'higher', of: ({ count, seconds }) => count / seconds };
}

/** Volley's headline over that of the contender `name`; null when it did not run. */
export function ratioTo(result: Measured, name: string): number | null {
  const ours = result.contenders.find(({ role }) => role === 'volley');
  const other = result.contenders.find((contender) => contender.name === name);
  if (ours === undefined || other === undefined || other.headline.median === 0) return null;
  return ours.headline.median / other.headline.median;
}

export function figure(result: Measured, name: string): number | null {
  const ours = result.contenders.find(({ role }) => role === 'volley');
  return ours?.figures[name] ?? null;
}

export function sample(count: number, seconds: number, more: Partial<Sample> = {}): Sample {
  return { count, seconds, cpuSeconds: null, peakRssBytes: null, figures: {}, faults: [], ...more };
}
