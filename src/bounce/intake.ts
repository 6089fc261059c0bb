/**
 * bounce/intake — the bytes of one message as they arrive.
 *
 * Promises: the digest is over all bytes, memory is not: of a message the first MiB is kept to be
 *           understood (a report says what it has to say before it quotes the message), the first
 *           64 KiB of that to be stored.
 * Fails:    null when the connection broke off before the final dot: there is nobody to answer.
 */
import { createHash } from 'node:crypto';

export const KEPT_BYTES = 1_048_576;
export const STORED_BYTES = 65_536;
const FIRST_BYTES = 16_384;

export interface Intake {
  /** At most KEPT_BYTES. */
  kept: Uint8Array;
  /** SHA-256 of the whole message. */
  digest: Uint8Array;
}

export async function takeIn(stream: AsyncIterable<Buffer>): Promise<Intake | null> {
  const hash = createHash('sha256');
  // One buffer that grows, not a list of chunks: a stream of dot-stuffed lines comes in pieces of a
  // few bytes, and a list of them would take fifty times their size.
  let kept = Buffer.alloc(FIRST_BYTES);
  let keptBytes = 0;
  try {
    for await (const chunk of stream) {
      hash.update(chunk);
      const part = chunk.subarray(0, KEPT_BYTES - keptBytes);
      if (keptBytes + part.length > kept.length) kept = grow(kept, keptBytes + part.length);
      keptBytes += part.copy(kept, keptBytes);
    }
  } catch (error) {
    if (isBrokenOff(error)) return null;
    throw error;
  }
  return { kept: kept.subarray(0, keptBytes), digest: hash.digest() };
}

function grow(bytes: Buffer<ArrayBuffer>, needed: number): Buffer<ArrayBuffer> {
  const size = Math.min(Math.max(needed, bytes.length * 2), KEPT_BYTES);
  const larger = Buffer.alloc(size);
  bytes.copy(larger);
  return larger;
}

function isBrokenOff(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return code === 'ECONNECTION' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

/** Of one message for one destination: the same again gives the same. */
export function fingerprintOf(address: string, digest: Uint8Array): Uint8Array {
  return createHash('sha256').update(`${address}\n`).update(digest).digest();
}
