/**
 * bench/facts — of every bench: the size its bars are meant at, the size in `npm run bench`, and which
 * options it heeds.
 *
 * Promises: `npm run bench` (all, with every peer) ends within ten minutes on two cores: the sizes under
 *           `all` are chosen for that, and are the one place to change it. By name a bench takes its
 *           own, larger size.
 */
import type { Settings } from '../harness/settings.ts';
import { UsageError } from '../harness/settings.ts';

/** Of those that not every bench heeds. */
export type Option = 'size' | 'dkim' | 'mode' | 'rtt' | 'compare' | 'sink' | 'seconds';

export interface Facts {
  /** Units of work its bars are meant at; fewer are called scaled. Absent: its own size. */
  full?: number;
  /** The same of a time-boxed one. */
  fullSeconds?: number;
  /** Time-boxed: one run is as long as anybody wants, and what it drifts by is seen inside it. */
  once?: true;
  /** From this size on one run is as much as anybody waits for. */
  onceFrom?: number;
  /** When it began to measure what it measures now: rows from before are another measure (ISO 8601). */
  since?: string;
  /** In `npm run bench`, where it is smaller than by name. */
  all?: { n?: number; seconds?: number };
  heeds: readonly Option[];
}

/**
 * Clocks of mail servers from being ready, the same bytes for everybody, full batches, warm-up cut out,
 * no memory of the harness itself.
 */
const FAIR = '2026-11-24T20:55';

export const FACTS: Readonly<Record<string, Facts>> = {
  'end-to-end': {
    onceFrom: 1_000_000,
    since: FAIR,
    all: { n: 2_000 },
    heeds: ['size', 'dkim', 'mode', 'rtt', 'compare', 'sink'],
  },
  'end-to-end-single-copy': {
    since: FAIR,
    all: { n: 20_000 },
    heeds: ['size', 'dkim', 'mode', 'rtt', 'compare'],
  },
  'smtp-client': {
    since: FAIR,
    all: { n: 20_000 },
    heeds: ['size', 'dkim', 'rtt', 'compare', 'sink'],
  },
  sessions: {
    full: 2_000,
    fullSeconds: 60,
    once: true,
    all: { n: 500, seconds: 20 },
    heeds: ['size', 'dkim', 'seconds'],
  },
  verp: { since: FAIR, heeds: [] },
  render: { since: FAIR, heeds: ['size'] },
  compose: { since: FAIR, heeds: ['size', 'dkim'] },
  sign: { since: FAIR, heeds: ['size', 'dkim'] },
  import: { full: 1_000_000, heeds: [] },
  expand: { since: FAIR, full: 1_000_000, heeds: [] },
  claim: { since: FAIR, full: 10_000_000, heeds: [] },
  record: { since: FAIR, full: 10_000_000, heeds: [] },
  'bounce-parse': { since: FAIR, heeds: [] },
  'bounce-listener': { heeds: [] },
  suppressions: { full: 10_000_000, heeds: [] },
  reports: { since: FAIR, full: 10_000_000, heeds: [] },
  resolve: { full: 100_000, all: { n: 30_000 }, heeds: [] },
  'period-reports': { full: 10_000_000, all: { n: 1_000_000 }, heeds: [] },
  restart: { since: FAIR, full: 10_000_000, heeds: [] },
  retention: { since: FAIR, full: 10_000_000, heeds: [] },
  scale: { since: FAIR, all: { n: 5_000 }, heeds: ['size', 'dkim', 'sink'] },
  soak: {
    since: FAIR,
    fullSeconds: 1_200,
    once: true,
    all: { seconds: 20 },
    heeds: ['size', 'dkim', 'sink', 'seconds'],
  },
};

const NOTHING: Facts = { heeds: [] };

export function factsOf(bench: string): Facts {
  return FACTS[bench] ?? NOTHING;
}

/** The settings of a bench that was not asked for by name. */
export function asOneOfAll(bench: string, settings: Settings): Settings {
  const { all = {} } = factsOf(bench);
  return {
    ...settings,
    n: settings.n ?? all.n ?? null,
    seconds: settings.seconds ?? all.seconds ?? null,
  };
}

/** An option that no bench of `names` heeds would be dropped in silence. */
export function refuseUnheeded(names: readonly string[], { given }: Settings): void {
  const heeded = new Set<string>(names.flatMap((name) => factsOf(name).heeds));
  for (const option of given) {
    if (isOption(option) && !heeded.has(option)) {
      throw new UsageError(`--${option} changes nothing in ${names.join(', ')}`);
    }
  }
}

const OPTIONS: ReadonlySet<string> = new Set<Option>([
  ...(['size', 'dkim', 'mode', 'rtt', 'compare', 'sink', 'seconds'] as const),
]);

function isOption(text: string): text is Option {
  return OPTIONS.has(text);
}
