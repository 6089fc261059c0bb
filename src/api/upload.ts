/**
 * api/upload — what a streamed body says it is: media type, charset, compression.
 *
 * Promises: a body is never taken for something it did not say; there is no guessing.
 * Fails:    `unsupported_media_type`; `invalid_body` for a gzip that is none or breaks off.
 */
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { AppError } from '../kernel/errors.ts';
import type { ApiEnv } from './environment.ts';

export interface Upload<T extends string> {
  /** Without parameters, one of those asked for. */
  mediaType: T;
  /** Lower case, as given; null when absent. */
  charset: string | null;
  gzip: boolean;
  body: AsyncIterable<Uint8Array>;
}

const CHARSET = /;\s*charset\s*=\s*"?([A-Za-z0-9_.:-]{1,40})"?/i;

export function readUpload<T extends string>(
  c: Context<ApiEnv>,
  mediaTypes: readonly T[],
): Upload<T> {
  const header = c.req.header('Content-Type') ?? '';
  const essence = (header.split(';')[0] ?? '').trim().toLowerCase();
  const mediaType = mediaTypes.find((type) => type === essence);
  if (mediaType === undefined) {
    throw new AppError('unsupported_media_type', `Content-Type must be ${mediaTypes.join(' or ')}`);
  }
  const encoding = (c.req.header('Content-Encoding') ?? 'identity').trim().toLowerCase();
  if (!['identity', 'gzip', 'x-gzip'].includes(encoding)) {
    throw new AppError('unsupported_media_type', 'Content-Encoding must be gzip or identity');
  }
  return {
    mediaType,
    charset: CHARSET.exec(header)?.[1]?.toLowerCase() ?? null,
    gzip: encoding !== 'identity',
    body: c.var.body.stream(),
  };
}

/** The plain bytes of a gzip stream. */
export async function* gunzip(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unzip = createGunzip();
  // A failure of the body reaches the loop through `unzip`, which it destroys.
  const feeding = pipeline(body, unzip).catch(() => undefined);
  try {
    for await (const chunk of unzip as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!code.startsWith('Z_')) throw error;
    throw new AppError('invalid_body', 'the body is no complete gzip', { cause: error });
  }
  await feeding;
}

/** One message: `body_too_large` over `maxBytes`. */
export async function* atMost(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > maxBytes) {
      throw new AppError('body_too_large', `a message may have at most ${maxBytes} bytes`);
    }
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

/** For the OpenAPI document: a body that is a stream of text. */
export function uploadBody(examples: Record<string, string>) {
  const content = Object.entries(examples).map(([mediaType, example]) => [
    mediaType,
    { schema: z.string().openapi({ example }) },
  ]);
  return {
    required: true as const,
    description: 'Streamed: of any length, with `Content-Encoding: gzip` if you like',
    content: Object.fromEntries(content) as Record<string, { schema: z.ZodString }>,
  };
}
