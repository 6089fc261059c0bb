/**
 * cli/serve — `volley serve`, which is `npm start`.
 *
 * Promises: prints where it listens, and at the first start the one admin key, once. Ctrl-C (or
 *           SIGTERM) drains and exits 0; a second one exits at once with 130.
 */
import { Command } from 'commander';
import { ensureFirstKey } from '../api/keys.ts';
import { loadConfig, processEnvironment } from '../kernel/config.ts';
import type { Config } from '../kernel/config.ts';
import { createResourceStack } from '../kernel/lifecycle.ts';
import { createLogger } from '../kernel/log.ts';
import { openDatabase } from './database.ts';
import { startEngine } from './engine.ts';
import { loadSecrets } from './secret.ts';
import { interrupted } from './signals.ts';
import type { ExitNow } from './signals.ts';
import { print } from './table.ts';

export function serveCommand(exitNow: ExitNow): Command {
  return new Command('serve')
    .description('run the API, the scheduler, the MTA and the bounce listener')
    .addHelpText('after', '\nExample:\n  VOLLEY_API_PORT=9090 npm run -s volley -- serve')
    .action(async () => {
      const { config } = loadConfig(processEnvironment());
      await serve(config, exitNow);
    });
}

async function serve(config: Config, exitNow: ExitNow): Promise<void> {
  const stop = interrupted(exitNow);
  const log = createLogger(config.logLevel);
  const stack = createResourceStack();
  try {
    const database = await openDatabase(config, 'own');
    stack.onRelease('database', () => database.close());
    const secrets = loadSecrets(config);
    const engine = await startEngine({ config, database, secrets, log });
    stack.onRelease('engine', () => engine.stop());
    const firstKey = await ensureFirstKey(database.sql);
    if (firstKey !== null) {
      print(`First start. This admin key is shown once; keep it:\n\n  ${firstKey}\n`);
    }
    print(`API              http://${config.apiHost}:${engine.apiPort}  (reference: /docs)`);
    print(`Bounce listener  ${config.bounceHost}:${engine.bouncePort}`);
    print('Ctrl-C drains and stops; a second Ctrl-C stops at once.');
    await stop;
    print('Draining: no new messages, those on the wire end …');
  } finally {
    await stack.release();
  }
  print('Stopped.');
}
