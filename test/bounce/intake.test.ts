import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fingerprintOf, KEPT_BYTES, takeIn } from '../../src/bounce/intake.ts';

async function* pieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

test('keeps the bytes, and the digest of all, however they are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(200_000),
      fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 9 }),
      async (length, sizes) => {
        const bytes = Buffer.alloc(length, 'some text, over and over\r\n');
        const intake = await takeIn(pieces(bytes, sizes));
        expect(Buffer.compare(intake!.kept, bytes)).toBe(0);
        expect(intake!.digest).toEqual(createHash('sha256').update(bytes).digest());
      },
    ),
    { numRuns: 60 },
  );
});

test('of a large message the first MiB is kept, the digest is of all', async () => {
  const bytes = Buffer.alloc(5 * KEPT_BYTES + 7, 'abcdefg');
  const intake = await takeIn(pieces(bytes, [65_536]));
  expect(intake!.kept.length).toBe(KEPT_BYTES);
  expect(Buffer.compare(intake!.kept, bytes.subarray(0, KEPT_BYTES))).toBe(0);
  expect(intake!.digest).toEqual(createHash('sha256').update(bytes).digest());
});

test('a connection that broke off is null; another failure is thrown', async () => {
  async function* broken(code: string): AsyncGenerator<Buffer> {
    yield Buffer.from('x');
    throw Object.assign(new Error('gone'), { code });
  }
  expect(await takeIn(broken('ECONNECTION'))).toBeNull();
  await expect(takeIn(broken('EIO'))).rejects.toThrow('gone');
});

test('the fingerprint tells destinations and messages apart', () => {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const seen = [
    fingerprintOf('a@x.example', digest('1')),
    fingerprintOf('a@x.example', digest('2')),
    fingerprintOf('b@x.example', digest('1')),
  ].map((bytes) => Buffer.from(bytes).toString('hex'));
  expect(new Set(seen).size).toBe(3);
  expect(fingerprintOf('a@x.example', digest('1'))).toEqual(
    fingerprintOf('a@x.example', digest('1')),
  );
});
