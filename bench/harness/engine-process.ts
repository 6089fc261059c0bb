/**
 * bench/engine-process — a whole Volley as `npm start` wires it (cli/engine.ts), told by IPC.
 *
 *     fork('engine-process.ts', [JSON.stringify(environment)])   tells EngineReady
 *
 * Ends on SIGTERM, drained, or when its parent is gone.
 */
import { createKey } from '../../src/api/keys.ts';
import { openDatabase } from '../../src/cli/database.ts';
import { startEngine } from '../../src/cli/engine.ts';
import { loadSecrets } from '../../src/cli/secret.ts';
import { loadConfig } from '../../src/kernel/config.ts';
import { createLogger } from '../../src/kernel/log.ts';

export interface EngineReady {
  apiPort: number;
  key: string;
}

const environment = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>;
const { config } = loadConfig(environment);
const database = await openDatabase(config, 'own');
const log = createLogger(config.logLevel);
const engine = await startEngine({ config, database, secrets: loadSecrets(config), log });
const { key } = await createKey(database.sql, { name: 'bench', scopes: ['admin'] });
const ready: EngineReady = { apiPort: engine.apiPort, key };

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await engine.stop();
  await database.close();
  process.send?.('closed');
  process.exit(0);
}
process.once('SIGTERM', () => void stop());
process.once('disconnect', () => void stop());
process.send?.(ready);
