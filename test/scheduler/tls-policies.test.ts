/** MTA-STS policies in the database. */
import { expect, test } from 'vitest';
import type { StsPolicy } from '../../src/mta/tls/sts-policy.ts';
import {
  purgeStsPolicies,
  saveStsPolicy,
  selectStsPolicies,
} from '../../src/scheduler/tls-policies/store.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
const NOW = new Date('2026-03-01T00:00:00Z');
const after = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1_000);

function policy(domain: string, more: Partial<StsPolicy> = {}): StsPolicy {
  return {
    domain,
    id: '1',
    mode: 'enforce',
    mx: ['mx.x.test', '*.y.test'],
    fetchedAt: NOW,
    expiresAt: after(60),
    ...more,
  };
}

test('what is saved is read back, the latest first, and no more than asked for', async () => {
  const { sql } = database;
  const one = policy('one.test');
  const none = policy('none.test', { mode: 'none', mx: [], fetchedAt: after(1) });
  await saveStsPolicy(sql, one);
  await saveStsPolicy(sql, none);
  expect(await selectStsPolicies(sql, NOW, 10)).toEqual([none, one]);
  expect(await selectStsPolicies(sql, NOW, 1)).toEqual([none]);
});

test('a later policy replaces an earlier one, and not the other way round', async () => {
  const { sql } = database;
  const later = policy('two.test', { id: '2', mode: 'testing', fetchedAt: after(5) });
  await saveStsPolicy(sql, policy('two.test'));
  await saveStsPolicy(sql, later);
  await saveStsPolicy(sql, policy('two.test', { id: '3', fetchedAt: after(4) }));
  const rows = await selectStsPolicies(sql, NOW, 10);
  expect(rows.filter(({ domain }) => domain === 'two.test')).toEqual([later]);
});

test('what has expired is not read, and purged', async () => {
  const { sql } = database;
  await saveStsPolicy(sql, policy('old.test', { expiresAt: NOW }));
  const domains = (await selectStsPolicies(sql, NOW, 100)).map(({ domain }) => domain);
  expect(domains).not.toContain('old.test');
  await purgeStsPolicies(sql, NOW);
  const left = await sql`select domain from sts_policies where domain = 'old.test'`;
  expect(left).toHaveLength(0);
});
