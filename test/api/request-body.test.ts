import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createBodyBudget } from '../../src/api/body-budget.ts';
import { createRequestBody } from '../../src/api/request-body.ts';
import { gunzip } from '../../src/api/upload.ts';

const LIMITS = { idleTimeoutMs: 50, readTimeoutMs: 100 };

function source(chunks: readonly string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks.map((chunk) => Buffer.from(chunk)));
}

async function text(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts).toString();
}

test('the fingerprint is the SHA-256 of all bytes, once they are read', async () => {
  const body = createRequestBody(source(['ab', '', 'c']), createBodyBudget(1_000_000));
  expect(body.fingerprint()).toBeNull();

  expect(await text(body.stream())).toBe('abc');

  expect(body.fingerprint()).toEqual(createHash('sha256').update('abc').digest());
});

test('what is held counts over all bodies, until it is released', async () => {
  const budget = createBodyBudget(10);
  const first = createRequestBody(source(['12345678']), budget);
  await first.read(100);

  const second = createRequestBody(source(['123']), budget);
  await expect(second.read(100)).rejects.toMatchObject({ code: 'overloaded' });
  second.release();
  first.release();
  first.release();
  const third = createRequestBody(source(['1234567890']), budget);
  expect(await third.read(100)).toHaveLength(10);
  const fourth = createRequestBody(source(['1']), budget);
  await expect(fourth.read(100)).rejects.toMatchObject({ code: 'overloaded' });
});

test('no body has the fingerprint of nothing', async () => {
  const body = createRequestBody(null, createBodyBudget(1_000_000));
  await body.read(1);

  expect(body.fingerprint()).toEqual(createHash('sha256').digest());
});

test('a body that was left early has no fingerprint, and is given up', async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(10)),
    cancel: () => void (cancelled = true),
  });
  const body = createRequestBody(endless, createBodyBudget(1_000_000));

  for await (const chunk of body.stream()) if (chunk.byteLength > 0) break;

  expect(body.fingerprint()).toBeNull();
  expect(cancelled).toBe(true);
});

test('a silent client is given up', async () => {
  const silent = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(1)),
  });

  await expect(
    text(createRequestBody(silent, createBodyBudget(1_000_000), LIMITS).stream()),
  ).rejects.toMatchObject({
    code: 'upload_aborted',
  });
});

test('a client that drips is given up when the whole takes too long', async () => {
  const dripping = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.enqueue(new Uint8Array(1));
    },
  });

  await expect(
    createRequestBody(dripping, createBodyBudget(1_000_000), LIMITS).read(1_000),
  ).rejects.toMatchObject({
    code: 'upload_aborted',
  });
});

test('a connection that breaks is an aborted upload', async () => {
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error('ECONNRESET')),
  });

  await expect(
    text(createRequestBody(broken, createBodyBudget(1_000_000)).stream()),
  ).rejects.toMatchObject({
    code: 'upload_aborted',
  });
});

async function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('gzip is opened as it comes', async () => {
  expect(await text(gunzip(pieces(gzipSync('hello'.repeat(1_000)), 7)))).toBe(
    'hello'.repeat(1_000),
  );
});

test.each([
  ['no gzip', Buffer.from('email\nann@example.com\n')],
  ['cut', gzipSync('hello'.repeat(1_000)).subarray(0, 30)],
  ['empty', Buffer.alloc(0)],
])('%s is refused', async (_name, bytes) => {
  await expect(text(gunzip(pieces(bytes, 10)))).rejects.toMatchObject({ code: 'invalid_body' });
});

test('an upload that breaks inside a gzip stays an aborted upload', async () => {
  const broken = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(gzipSync('hello').subarray(0, 12)),
  });

  await expect(
    text(gunzip(createRequestBody(broken, createBodyBudget(1_000_000), LIMITS).stream())),
  ).rejects.toMatchObject({
    code: 'upload_aborted',
  });
});
