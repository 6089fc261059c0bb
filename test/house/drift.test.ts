import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as drizzleKit from 'drizzle-kit/api';
import { expect, test } from 'vitest';
import * as schema from '../../drizzle/schema.ts';
import { settingsTable } from './settings-table.ts';
import { ROOT } from './source-files.ts';

/** What is used of drizzle-kit/api; its own types need packages that are not installed here. */
interface DrizzleKit {
  generateDrizzleJson(
    imports: Record<string, unknown>,
    prevId: string,
    schemaFilters: undefined,
    casing: 'snake_case',
  ): Snapshot;
  generateMigration(from: Snapshot, to: Snapshot): Promise<string[]>;
}
interface Snapshot {
  id: string;
}

test('the migrations make exactly the schema (npm run migrations makes the missing one)', async () => {
  const kit = drizzleKit as unknown as DrizzleKit;
  const meta = join(ROOT, 'drizzle/migrations/meta');
  const last = readdirSync(meta)
    .filter((name) => name.endsWith('_snapshot.json'))
    .sort()
    .at(-1);
  const migrated = JSON.parse(readFileSync(join(meta, last ?? ''), 'utf8')) as Snapshot;
  const wanted = kit.generateDrizzleJson(schema, migrated.id, undefined, 'snake_case');
  expect(await kit.generateMigration(migrated, wanted)).toEqual([]);
});

test("README's configuration table is the settings table", () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const documented = readme
    .split('\n')
    .filter((line) => line.startsWith('| `VOLLEY_') || line.startsWith('| `DATABASE_URL'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map(([, env, fallback, meaning]) => ({ env, fallback, meaning }));
  expect(documented).toEqual(settingsTable());
});
