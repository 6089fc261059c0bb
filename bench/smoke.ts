/**
 * bench/smoke — `npm run bench:smoke`: does the harness still tell the truth, has a rate collapsed?
 *
 * Small runs for CI. Every message must be accounted for. Floors are half of what must be
 * reached (or is), as ratios of a run: noise stays green, a collapse is red. Keeps no results.
 */
import { endToEnd, endToEndSingleCopy } from './benches/end-to-end.ts';
import { expandBench } from './benches/expand.ts';
import { importBench } from './benches/import.ts';
import { recordBench } from './benches/queue.ts';
import { sign } from './benches/sign.ts';
import { smtpClient } from './benches/smtp-client.ts';
import type { Bench, Measured } from './harness/bench.ts';
import { runEntry, sentenceOf } from './harness/entry.ts';
import { formatNumber, runRounds } from './harness/rounds.ts';
import { inScope, unlessInterrupted } from './harness/run-scope.ts';
import { parseSettings } from './harness/settings.ts';
import type { Settings } from './harness/settings.ts';
import { BARE_LOOP } from './limits/limits.ts';

interface Check {
  bench: Bench;
  args: string[];
  /** Of which the best counts; where the first one is a cold engine's, two. */
  rounds: number;
  /** Name of a contender -> what Volley's rate must be of its rate at least. */
  floors: Record<string, number>;
}

const CHECKS: readonly Check[] = [
  {
    bench: endToEnd,
    args: ['--n', '3000', '--dkim', 'rsa', '--compare'],
    rounds: 2,
    // The bar of 5 to the pool is not reached: half of the 3.7 that are.
    floors: { [BARE_LOOP]: 0.32, 'nodemailer pool': 1.8 },
  },
  {
    bench: endToEnd,
    args: ['--n', '15000', '--dkim', 'none'],
    rounds: 2,
    // Of 0.4 with smtp-sink. With our own sink the loop is 1.7 times as fast: 0.23 is the same, 0.12 half.
    floors: { [BARE_LOOP]: 0.12 },
  },
  // From here on where a bar is of another measure: half of what was measured or less.
  { bench: endToEndSingleCopy, args: ['--n', '30000'], rounds: 1, floors: { [BARE_LOOP]: 0.03 } },
  { bench: smtpClient, args: ['--n', '10000'], rounds: 1, floors: { [BARE_LOOP]: 0.2 } },
  {
    bench: sign,
    args: ['--n', '2000', '--dkim', 'rsa'],
    rounds: 1,
    floors: { 'bare signature': 0.4 },
  },
  { bench: importBench, args: ['--n', '50000'], rounds: 1, floors: { 'bare COPY': 0.2 } },
  {
    bench: expandBench,
    args: ['--n', '50000'],
    rounds: 1,
    floors: { 'bare INSERT .. SELECT': 0.3 },
  },
  // Half of the bar of 0.9.
  { bench: recordBench, args: ['--n', '300000'], rounds: 1, floors: { '100,000 pending': 0.45 } },
];

async function check({ bench, args, rounds, floors }: Check): Promise<string[]> {
  const settings: Settings = {
    ...parseSettings(args),
    rounds,
    sink: 'own',
    mailServers: false,
  };
  const [variant] = bench.variants(settings);
  if (variant === undefined) return ['no variant'];
  console.log(`${bench.name} ${args.join(' ')}`);
  const prepared = await bench.prepare(variant);
  try {
    const contenders = prepared.contenders.filter(
      ({ name, role }) => role === 'volley' || name in floors,
    );
    const result = await runRounds(contenders, rounds, bench.headline, (line) => console.log(line));
    if (result.faults.length > 0) return result.faults;
    return Object.entries(floors).flatMap(([name, floor]) => {
      const ratio = bestRatio(result, name);
      if (ratio === null) return [`${name} was not measured`];
      console.log(`  ${formatNumber(ratio)} of ${name}, the floor is ${floor}`);
      return ratio >= floor ? [] : [`${ratio.toFixed(2)} of ${name}, the floor is ${floor}`];
    });
  } finally {
    await prepared.close();
  }
}

/** Ours at its best over the other's median: the first run of an engine is a third slower than the next. */
function bestRatio({ contenders }: Measured, name: string): number | null {
  const ours = contenders.find(({ role }) => role === 'volley');
  const other = contenders.find((one) => one.name === name);
  if (ours === undefined || other === undefined || other.headline.median === 0) return null;
  return ours.headline.max / other.headline.median;
}

async function main(): Promise<number> {
  const beganMs = performance.now();
  const failures: string[] = [];
  let passed = 0;
  for (const one of CHECKS) {
    const found = await inScope(() => check(one)).catch((error: unknown) => [sentenceOf(error)]);
    await unlessInterrupted();
    if (found.length === 0) passed += 1;
    failures.push(...found.map((text) => `${one.bench.name} ${one.args.join(' ')}: ${text}`));
  }
  console.log(`${Math.round((performance.now() - beganMs) / 1_000)} s`);
  for (const failure of failures) console.log(`FAILED: ${failure}`);
  console.log(`${passed} passed, ${CHECKS.length - passed} failed`);
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await runEntry({ exitNow: (code) => process.exit(code), main });
