import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
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
  const body = createRequestBody(source(['ab', '', 'c']));
  expect(body.fingerprint()).toBeNull();

  expect(await text(body.stream())).toBe('abc');

  expect(body.fingerprint()).toEqual(createHash('sha256').update('abc').digest());
});

test('no body has the fingerprint of nothing', async () => {
  const body = createRequestBody(null);
  await body.read(1);

  expect(body.fingerprint()).toEqual(createHash('sha256').digest());
});

test('a body that was left early has no fingerprint, and is given up', async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(10)),
    cancel: () => void (cancelled = true),
  });
  const body = createRequestBody(endless);

  for await (const chunk of body.stream()) if (chunk.byteLength > 0) break;

  expect(body.fingerprint()).toBeNull();
  expect(cancelled).toBe(true);
});

test('a silent client is given up', async () => {
  const silent = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(1)),
  });

  await expect(text(createRequestBody(silent, LIMITS).stream())).rejects.toMatchObject({
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

  await expect(createRequestBody(dripping, LIMITS).read(1_000)).rejects.toMatchObject({
    code: 'upload_aborted',
  });
});

test('a connection that breaks is an aborted upload', async () => {
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error('ECONNRESET')),
  });

  await expect(text(createRequestBody(broken).stream())).rejects.toMatchObject({
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

  await expect(text(gunzip(createRequestBody(broken, LIMITS).stream()))).rejects.toMatchObject({
    code: 'upload_aborted',
  });
});
