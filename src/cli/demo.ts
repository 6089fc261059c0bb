/** cli/demo — `volley demo`, which is `npm run demo`; see cli/demo/demo.ts. */
import { Command, InvalidArgumentError } from 'commander';
import { runDemo } from './demo/demo.ts';
import { interrupted } from './signals.ts';
import type { ExitNow } from './signals.ts';

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1_000_000) return value;
  throw new InvalidArgumentError('1 to 1000000');
}

export function demoCommand(exitNow: ExitNow): Command {
  return new Command('demo')
    .description('send 10,000 mails to a practice world on loopback and account for every one')
    .option('--recipients <count>', 'how many', count, 10_000)
    .option('--seed <number>', 'the same seed meets the same fates', count, 1)
    .option('--verbose', 'show the log')
    .addHelpText('after', '\nExample:\n  npm run -s volley -- demo --recipients 1000 --seed 7')
    .action(async (options: { recipients: number; seed: number; verbose?: true }) => {
      const { recipients, seed } = options;
      const logLevel = options.verbose === true ? 'info' : 'error';
      const agrees = await runDemo({ recipients, seed, logLevel }, interrupted(exitNow));
      process.exitCode = agrees ? 0 : 1;
    });
}
