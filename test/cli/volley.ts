/** cli/volley — the command line as a user starts it, for the tests of one file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { startChild } from '../harness/child.ts';
import { useDatabase } from '../harness/database.ts';
import type { TestDatabase } from '../harness/database.ts';

export interface CommandLine {
  database: TestDatabase;
  /** `env` on top of what the commands need. */
  volley(args: readonly string[], env?: Record<string, string>): Promise<Ended>;
  json(...args: string[]): Promise<unknown>;
}

export interface Ended {
  code: number | NodeJS.Signals;
  output: string;
}

export const SECRET = 's'.repeat(44);

export function useCommandLine(): CommandLine {
  const database = useDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'volley-cli-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const volley = async (args: readonly string[], env = {}): Promise<Ended> => {
    const child = startChild(args, {
      DATABASE_URL: database.url,
      VOLLEY_SECRET: SECRET,
      VOLLEY_DATA_DIR: folder,
      ...env,
    });
    const code = await child.ended;
    return { code, output: child.output().trim() };
  };
  return {
    database,
    volley,
    async json(...args) {
      return JSON.parse((await volley([...args, '--json'])).output) as unknown;
    },
  };
}
