/**
 * bench/smoke — `npm run bench:smoke`: does the harness still tell the truth, has a rate collapsed?
 *
 * Small runs for CI. Every message must be accounted for. Floors are half of the bars or less, as
 * ratios of one run: noise stays green, a collapse is red. Keeps no results.
 */
import { endToEnd, endToEndSingleCopy } from './benches/end-to-end.ts';
import { recordBench } from './benches/queue.ts';
import { sign } from './benches/sign.ts';
import { smtpClient } from './benches/smtp-client.ts';
import type { Bench } from './harness/bench.ts';
import { ratioTo } from './harness/bench.ts';
import { runRounds } from './harness/rounds.ts';
import { parseSettings } from './harness/settings.ts';
import type { Settings } from './harness/settings.ts';
import { BARE_LOOP } from './limits/limits.ts';

interface Check {
  bench: Bench;
  args: string[];
  /** Name of a contender -> what Volley's rate must be of its rate at least. */
  floors: Record<string, number>;
}

const CHECKS: readonly Check[] = [
  {
    bench: endToEnd,
    args: ['--n', '3000', '--dkim', 'rsa', '--compare'],
    floors: { [BARE_LOOP]: 0.15, 'nodemailer pool': 1 },
  },
  { bench: endToEndSingleCopy, args: ['--n', '20000'], floors: {} },
  { bench: smtpClient, args: ['--n', '10000'], floors: { [BARE_LOOP]: 0.2 } },
  { bench: sign, args: ['--n', '2000', '--dkim', 'rsa'], floors: { 'bare signature': 0.4 } },
  { bench: recordBench, args: ['--n', '100000'], floors: { '100,000 pending': 0.3 } },
];

async function check({ bench, args, floors }: Check): Promise<string[]> {
  const settings: Settings = { ...parseSettings(args), rounds: 1, sink: 'own' };
  const [variant] = bench.variants(settings);
  if (variant === undefined) return [`${bench.name}: no variant`];
  console.log(`${bench.name} ${args.join(' ')}`);
  const prepared = await bench.prepare(variant);
  try {
    const wanted = ['Volley', ...Object.keys(floors)];
    const contenders = prepared.contenders.filter(
      ({ name, role }) => role === 'volley' || wanted.includes(name),
    );
    const result = await runRounds(contenders, 1, bench.headline, (line) => console.log(line));
    const low = Object.entries(floors).flatMap(([name, floor]) => {
      const ratio = ratioTo(result, name);
      if (ratio === null) return [`${bench.name}: ${name} was not measured`];
      if (ratio >= floor) return [];
      return [`${bench.name}: ${ratio.toFixed(2)} of ${name}, the floor is ${floor}`];
    });
    return [...result.faults.map((fault) => `${bench.name}: ${fault}`), ...low];
  } finally {
    await prepared.close();
  }
}

const failures: string[] = [];
const beganMs = performance.now();
for (const one of CHECKS) failures.push(...(await check(one)));
console.log(`${Math.round((performance.now() - beganMs) / 1_000)} s`);
for (const failure of failures) console.log(`FAILED: ${failure}`);
console.log(
  `${CHECKS.length - new Set(failures.map((text) => text.split(':')[0])).size} passed, ${failures.length} failed`,
);
process.exitCode = failures.length === 0 ? 0 : 1;
