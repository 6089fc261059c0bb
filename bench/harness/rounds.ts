/**
 * bench/rounds — runs the contenders of a bench and takes medians.
 *
 * Promises: rounds are interleaved (A B C, A B C, A B C), so that a noisy minute of the machine falls
 *           on all of them. Every fault of every run is kept and is printed where its figure would
 *           stand. A contender that throws is a fault too: it is not run again, the others are. What
 *           it has started is ended with its run.
 * Never:    a run that is not counted: what must warm up does so inside its own run (micro.ts), and an
 *           engine keeps what it learnt from round to round.
 */
import type { Contender, ContenderResult, Headline, Measured, Sample, Spread } from './bench.ts';
import { sentenceOf } from './entry.ts';
import { inScope, unlessInterrupted } from './run-scope.ts';

export async function runRounds(
  contenders: readonly Contender[],
  rounds: number,
  headline: Headline,
  say: (line: string) => void,
): Promise<Measured> {
  const samples = new Map<Contender, Sample[]>(contenders.map((one) => [one, []]));
  const thrown = new Set<Contender>();
  const faults: string[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const contender of contenders.filter((one) => !thrown.has(one))) {
      const taken = await runOnce(contender, round);
      if (typeof taken === 'string') thrown.add(contender);
      else samples.get(contender)?.push(taken);
      const found = typeof taken === 'string' ? [taken] : taken.faults;
      faults.push(...found.map((fault) => `${contender.name}, run ${round}: ${fault}`));
      say(`  ${round}/${rounds} ${contender.name}: ${outcomeText(taken, headline)}`);
    }
  }
  return {
    contenders: contenders.map((one) => summarise(one, samples.get(one) ?? [], headline)),
    faults,
  };
}

/** A lost or doubled message is no number. */
function outcomeText(taken: Sample | string, headline: Headline): string {
  if (typeof taken === 'string') return `FAILED: ${taken}`;
  if (taken.faults.length > 0) return `FAILED: ${taken.faults.join('; ')}`;
  return `${formatNumber(headline.of(taken))} ${headline.unit}`;
}

/** Its sample, or why there is none. */
async function runOnce(contender: Contender, round: number): Promise<Sample | string> {
  await unlessInterrupted();
  try {
    return await inScope(() => contender.run(round));
  } catch (error) {
    await unlessInterrupted();
    return sentenceOf(error);
  }
}

function summarise(
  contender: Contender,
  samples: readonly Sample[],
  headline: Headline,
): ContenderResult {
  const names = new Set(samples.flatMap((one) => Object.keys(one.figures)));
  const figures = [...names].map((name): [string, number] => [
    name,
    round(spread(samples.flatMap((one) => one.figures[name] ?? [])).median),
  ]);
  const cpu = samples.flatMap(({ cpuSeconds, count }) =>
    cpuSeconds === null || count === 0 ? [] : [(cpuSeconds * 1e6) / count],
  );
  const rss = samples.flatMap(({ peakRssBytes }) => peakRssBytes ?? []);
  return {
    name: contender.name,
    role: contender.role,
    count: samples[0]?.count ?? 0,
    headline: spread(samples.map((one) => headline.of(one))),
    cpuUs: cpu.length === 0 ? null : round(spread(cpu).median),
    peakRssMb: rss.length === 0 ? null : Math.round(Math.max(...rss) / 1e6),
    figures: Object.fromEntries(figures),
  };
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? upper;
  return {
    median: round((lower + upper) / 2),
    min: round(sorted[0] ?? 0),
    max: round(sorted.at(-1) ?? 0),
  };
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Three significant digits below a thousand, whole numbers above. */
function round(value: number): number {
  if (!Number.isFinite(value)) return 0;
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(3));
}

export function formatNumber(value: number): string {
  return round(value).toLocaleString('en-US', { maximumFractionDigits: 6 });
}
