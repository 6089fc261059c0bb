import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { makeTemporaryDataDir, removeDataDir } from '../../src/kernel/postgres/data-dir.ts';

let dataDir: string;
let env: Record<string, string>;
const children: Child[] = [];

beforeEach(() => {
  dataDir = makeTemporaryDataDir('volley-serve-');
  env = { VOLLEY_DATA_DIR: dataDir, VOLLEY_API_PORT: '0', VOLLEY_BOUNCE_PORT: '0' };
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.process.kill('SIGTERM');
    await child.ended;
  }
  removeDataDir(dataDir);
});

async function serve(): Promise<Child> {
  const child = startChild(['serve'], env);
  children.push(child);
  await child.printed(/Ctrl-C drains/);
  return child;
}

test('the first start prints one admin key, the second none; Ctrl-C drains and exits 0', async () => {
  const first = await serve();
  expect(first.output()).toMatch(/\bvk_[A-Za-z0-9_-]{43}\b/);
  first.process.kill('SIGINT');
  expect(await first.ended).toBe(0);
  expect(existsSync(join(dataDir, 'postgres', 'postmaster.pid'))).toBe(false);
  const second = await serve();
  expect(second.output()).not.toContain('vk_');
});

test('a second start on one data folder says so and exits 1; the first goes on', async () => {
  const first = await serve();
  const second = startChild(['serve'], env);
  expect(await second.ended).toBe(1);
  expect(second.output()).toContain('in use by another Volley');
  expect(second.output().trim().split('\n')).toHaveLength(1);
  expect(first.process.exitCode).toBeNull();
});

test('after kill -9 of everything the next start recovers', async () => {
  const first = await serve();
  const pid = Number(
    readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0],
  );
  first.process.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await first.ended;
  await serve();
});

test('wrong settings are all told at once, in one go, with exit code 1', async () => {
  const child = startChild(['serve'], {
    ...env,
    VOLLEY_API_PORT: 'eighty',
    VOLLEY_BATCH_SIZE: '0',
    VOLLEY_COLOUR: 'red',
  });
  expect(await child.ended).toBe(1);
  for (const name of ['VOLLEY_API_PORT', 'VOLLEY_BATCH_SIZE', 'VOLLEY_COLOUR']) {
    expect(child.output()).toContain(name);
  }
  expect(child.output()).not.toContain('    at ');
});
