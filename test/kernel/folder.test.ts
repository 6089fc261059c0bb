import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeFolder } from '../../src/kernel/folder.ts';

const room = mkdtempSync(join(tmpdir(), 'volley-folder-'));
afterAll(() => rmSync(room, { recursive: true, force: true }));

test('makes what is missing, and leaves what is there', () => {
  const folder = join(room, 'a', 'b', 'c');
  makeFolder(folder);
  makeFolder(folder);
  expect(existsSync(folder)).toBe(true);
});

test.each(['/proc/x/y', join(room, 'file', 'below')])('%s: a sentence, at once', (folder) => {
  writeFileSync(join(room, 'file'), '');
  expect(() => makeFolder(folder)).toThrow(/cannot make the folder .* VOLLEY_DATA_DIR/);
});
