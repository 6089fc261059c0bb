/**
 * api/json-body — JSON from a stranger: bounded in size and depth, and really UTF-8.
 *
 * Fails: `body_too_large`, `invalid_encoding`, `invalid_body`.
 * Why:   the decoder of the platform replaces bad bytes without a word, and a name that was sent in
 *        GB18030 would be stored as question marks.
 */
import { AppError } from '../kernel/errors.ts';
import type { RequestBody } from './request-body.ts';

export const MAX_JSON_BYTES = 2_097_152;
const MAX_DEPTH = 32;

/** The body as text, ready for JSON.parse. */
export async function readJsonText(body: RequestBody): Promise<string> {
  const bytes = await body.read(MAX_JSON_BYTES);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AppError('invalid_encoding', 'the body is not valid UTF-8', { cause: error });
  }
  if (jsonDepth(text) > MAX_DEPTH) {
    throw new AppError('invalid_body', `the JSON is nested deeper than ${MAX_DEPTH} levels`);
  }
  return text;
}

/** How deep arrays and objects are nested; brackets inside strings do not count. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (inString) {
      if (char === '\\') i += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') deepest = Math.max(deepest, (depth += 1));
    else if (char === '}' || char === ']') depth -= 1;
  }
  return deepest;
}
