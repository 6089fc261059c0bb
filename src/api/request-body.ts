/**
 * api/request-body — the bytes of a request, read once, never held whole unless asked to.
 *
 * Promises: `stream` waits for the network no longer than `idleTimeoutMs` a time; `read` takes at
 *           most `maxBytes` and `readTimeoutMs` in all, whatever Content-Length said, and what it
 *           holds counts against the budget of all requests until `release`. Every byte that was
 *           handed out is in the fingerprint.
 * Fails:    `upload_aborted` when the client went away or fell silent, `body_too_large`, `overloaded`.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../kernel/errors.ts';
import type { BodyBudget } from './body-budget.ts';

export interface BodyLimits {
  idleTimeoutMs: number;
  readTimeoutMs: number;
}

export const BODY_LIMITS: BodyLimits = { idleTimeoutMs: 60_000, readTimeoutMs: 30_000 };

export interface RequestBody {
  /** The body as it arrives. Leaving the loop early gives the rest up. */
  stream(): AsyncIterable<Uint8Array>;
  /** The whole body. */
  read(maxBytes: number): Promise<Uint8Array>;
  /** SHA-256 of the body; null unless it was read to its end. */
  fingerprint(): Uint8Array | null;
  /** The request is over: what `read` took is given back. */
  release(): void;
}

type Source = ReadableStream<Uint8Array> | null;

export function createRequestBody(
  source: Source,
  budget: BodyBudget,
  limits: BodyLimits = BODY_LIMITS,
): RequestBody {
  const hash = createHash('sha256');
  let digest: Uint8Array | null = null;
  let heldBytes = 0;

  async function* chunks(totalTimeoutMs: number | null): AsyncGenerator<Uint8Array> {
    const reader = source?.getReader();
    const deadline = totalTimeoutMs === null ? null : Date.now() + totalTimeoutMs;
    try {
      while (reader !== undefined) {
        const left = deadline === null ? limits.idleTimeoutMs : deadline - Date.now();
        const chunk = await nextChunk(reader, Math.min(left, limits.idleTimeoutMs));
        if (chunk === null) break;
        hash.update(chunk);
        yield chunk;
      }
      digest ??= hash.digest();
    } finally {
      // After an error there is nothing left to cancel, and cancelling says so by throwing.
      if (digest === null) await reader?.cancel().catch(() => undefined);
    }
  }

  return {
    stream: () => chunks(null),
    async read(maxBytes) {
      const parts: Uint8Array[] = [];
      let sizeBytes = 0;
      for await (const chunk of chunks(limits.readTimeoutMs)) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes > maxBytes) {
          throw new AppError('body_too_large', `the body may have at most ${maxBytes} bytes`);
        }
        budget.take(chunk.byteLength);
        heldBytes += chunk.byteLength;
        parts.push(chunk);
      }
      return Buffer.concat(parts);
    },
    fingerprint: () => digest,
    release() {
      budget.give(heldBytes);
      heldBytes = 0;
    },
  };
}

/** The next bytes, or null at the end. */
async function nextChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  timeoutMs: number,
): Promise<Uint8Array | null> {
  const timer = new AbortController();
  const silence = sleep(Math.max(timeoutMs, 0), null, { signal: timer.signal });
  // The loser of the race ends by the abort below; nobody waits for it.
  silence.catch(() => undefined);
  try {
    const first = await Promise.race([reader.read(), silence]);
    if (first === null) {
      throw new AppError('upload_aborted', 'no more of the body arrived in time');
    }
    return first.done ? null : first.value;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('upload_aborted', 'the connection ended before the body did', {
      cause: error,
    });
  } finally {
    timer.abort();
  }
}
