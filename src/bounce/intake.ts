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

export interface Intake {
  /** At most KEPT_BYTES. */
  kept: Uint8Array;
  /** SHA-256 of the whole message. */
  digest: Uint8Array;
}

export async function takeIn(stream: AsyncIterable<Buffer>): Promise<Intake | null> {
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  let keptBytes = 0;
  try {
    for await (const chunk of stream) {
      hash.update(chunk);
      if (keptBytes >= KEPT_BYTES) continue;
      const part = chunk.subarray(0, KEPT_BYTES - keptBytes);
      chunks.push(part);
      keptBytes += part.length;
    }
  } catch (error) {
    if (isBrokenOff(error)) return null;
    throw error;
  }
  return { kept: Buffer.concat(chunks), digest: hash.digest() };
}

function isBrokenOff(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return code === 'ECONNECTION' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

/** Of one message for one destination: the same again gives the same. */
export function fingerprintOf(address: string, digest: Uint8Array): Uint8Array {
  return createHash('sha256').update(`${address}\n`).update(digest).digest();
}
