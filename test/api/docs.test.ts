import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PROBLEMS } from '../../src/api/problem.ts';
import { ERROR_CODES } from '../../src/kernel/errors.ts';
import { useApi } from './harness.ts';

const api = useApi();

test('/docs loads nothing from elsewhere, and everything it names is there', async () => {
  const { text, headers } = await api.get('/docs', { as: null });
  const named = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');

  expect(named.length).toBeGreaterThan(3);
  for (const path of named) {
    expect(path).not.toMatch(/^(?:[a-z]+:)?\/\//);
    expect((await api.get(`/${path}`, { as: null })).status).toBe(200);
  }
  const policy = headers.get('Content-Security-Policy') ?? '';
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toMatch(/https?:|unsafe-eval|script-src[^;]*unsafe-inline/);
  expect(text).not.toMatch(/<script>(?!<)/);
});

test.each(['..%2fpackage.json', 'package.json', 'swagger-ui.js', '__proto__', 'constructor'])(
  '/docs/%s is no file of ours to give',
  async (name) => {
    expect((await api.get(`/docs/${name}`, { as: null })).status).toBe(404);
  },
);

test('every problem type leads to a page', async () => {
  for (const code of ERROR_CODES) {
    const { status, text } = await api.get(`/problems/${code}`, { as: null });
    expect(status).toBe(200);
    expect(text).toContain(code);
  }
  expect((await api.get('/problems/constructor', { as: null })).status).toBe(404);
});

test('docs/api.md lists every code with its status', () => {
  const manual = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
  const rows = [...manual.matchAll(/^\| `([a-z_]+)` +\| (\d{3}) /gm)].map(
    (match): [string, number] => [match[1] ?? '', Number(match[2])],
  );

  const local = ['config_invalid', 'data_dir_in_use', 'data_dir_unusable', 'port_in_use'];
  const expected = ERROR_CODES.filter((code) => !local.includes(code)).map(
    (code): [string, number] => [code, PROBLEMS[code].status],
  );
  expect(rows.sort()).toEqual(expected.sort());
});
