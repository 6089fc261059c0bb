/**
 * api/json-body — JSON from a stranger: bounded in size, depth and number of values, and really UTF-8.
 *
 * Fails: `body_too_large`, `invalid_encoding`, `invalid_body`, `unsupported_media_type`.
 * Why:   the decoder of the platform replaces bad bytes without a word, and a name that was sent in
 *        GB18030 would be stored as question marks.
 */
import { AppError } from '../kernel/errors.ts';
import type { RequestBody } from './request-body.ts';

export const MAX_JSON_BYTES = 2_097_152;
const MAX_DEPTH = 32;
/** 2 MB of `{}` are 600,000 objects, 30 times their text in memory. */
const MAX_VALUES = 100_000;
const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]+)/i;

/** The body as text, ready for JSON.parse. */
export async function readJsonText(body: RequestBody): Promise<string> {
  const bytes = await body.read(MAX_JSON_BYTES);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AppError('invalid_encoding', 'the body is not valid UTF-8', { cause: error });
  }
  const { depth, values } = jsonShape(text);
  if (depth > MAX_DEPTH) {
    throw new AppError('invalid_body', `the JSON is nested deeper than ${MAX_DEPTH} levels`);
  }
  if (values > MAX_VALUES) {
    throw new AppError('invalid_body', `the JSON has more than ${MAX_VALUES} values`);
  }
  return text;
}

export function refuseOtherEncodings(type: string | undefined, encoding: string | undefined): void {
  const charset = CHARSET.exec(type ?? '')?.[1]?.toLowerCase() ?? 'utf-8';
  if (charset !== 'utf-8' && charset !== 'utf8') {
    throw new AppError('unsupported_media_type', 'JSON is UTF-8 (RFC 8259)');
  }
  if ((encoding ?? 'identity').trim().toLowerCase() !== 'identity') {
    throw new AppError('unsupported_media_type', 'send JSON as it is, not packed');
  }
}

/**
 * How deep arrays and objects are nested, and about how many values there are: containers, and what
 * commas part. Brackets and commas inside strings do not count.
 */
export function jsonShape(text: string): { depth: number; values: number } {
  let depth = 0;
  let deepest = 0;
  let values = 1;
  let inString = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (inString) {
      if (char === '\\') i += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === ',') values += 1;
    else if (char === '{' || char === '[') {
      deepest = Math.max(deepest, (depth += 1));
      values += 1;
    } else if (char === '}' || char === ']') depth -= 1;
  }
  return { depth: deepest, values };
}
