import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonShape } from '../../src/api/json-body.ts';
import { NEW_TEMPLATE, useApi } from './harness.ts';

const api = useApi();

function send(body: string | Uint8Array, headers: Record<string, string> = {}) {
  return api.call('POST', '/v1/templates', {
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers: { 'Content-Type': 'application/json', ...headers },
  });
}

test.each([
  ['{', 400, 'invalid_body'],
  ['', 400, 'invalid_body'],
  ['null', 422, 'invalid_request'],
  ['[]', 422, 'invalid_request'],
  ['"text"', 422, 'invalid_request'],
  [`${'['.repeat(33)}${']'.repeat(33)}`, 400, 'invalid_body'],
  [`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 400, 'invalid_body'],
  [`{"a":[${'{},'.repeat(60_000)}0]}`, 400, 'invalid_body'],
  [`{"name":"${'x'.repeat(2_100_000)}"}`, 413, 'body_too_large'],
])('%.40s: %i %s', async (body, status, code) => {
  const answer = await send(body);

  expect([answer.status, answer.body.code]).toEqual([status, code]);
});

test('bytes that are not UTF-8 are refused, not replaced', async () => {
  const name = Buffer.from([0xc4, 0xe3, 0xba, 0xc3]); // GB18030
  const body = Buffer.concat([
    Buffer.from('{"subject":"s","format":"html","source":"x","name":"'),
    name,
    Buffer.from('"}'),
  ]);

  const answer = await send(body);

  expect([answer.status, answer.body.code]).toEqual([400, 'invalid_encoding']);
});

test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])(
  '%s is not taken for JSON',
  async (type) => {
    const answer = await send(JSON.stringify(NEW_TEMPLATE), { 'Content-Type': type });

    expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
  },
);

test('a charset parameter is fine', async () => {
  const headers = { 'Content-Type': 'application/json; charset=utf-8' };

  expect((await send(JSON.stringify(NEW_TEMPLATE), headers)).status).toBe(201);
});

test.each([
  [{ 'Content-Type': 'application/json; charset=gbk' }],
  [{ 'Content-Encoding': 'gzip' }],
])('what is no plain UTF-8 is said to be: %j', async (headers) => {
  const answer = await send(JSON.stringify(NEW_TEMPLATE), headers);

  expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
});

test.each(['\u0000', 'a\u0000b'])('NUL never reaches the database: %j', async (text) => {
  const answer = await send(JSON.stringify({ ...NEW_TEMPLATE, name: `n${text}` }));
  expect([answer.status, answer.body.errors[0]?.pointer]).toEqual([422, '/name']);

  const source = await send(JSON.stringify({ ...NEW_TEMPLATE, source: `<p>${text}</p>` }));
  expect([source.status, source.body.errors[0]?.pointer]).toEqual([422, '/source']);
});

test('__proto__ in a body pollutes nothing', async () => {
  const answer = await send('{"__proto__":{"polluted":1},"name":"n"}');

  expect(answer.status).toBe(422);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test('the depth is that of the parsed value', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null
      ? 1 + Math.max(0, ...Object.values(value).map(depthOf))
      : 0;
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(jsonShape(JSON.stringify(value)).depth).toBe(depthOf(value));
    }),
  );
});
