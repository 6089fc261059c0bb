/**
 * bounce/sources/mbox — returning mail that another mail server appends to one file (RFC 4155).
 *
 * Promises: only reads. Remembers how far it came while the process lives; after a restart, and when
 *           the file became shorter (rotated), it begins anew: nothing is recorded twice. The last
 *           message counts as complete when nothing was written for SETTLED_MS and no dotlock stands
 *           beside the file.
 * Bound:    a message is found by its borders and then streamed, whatever its size.
 */
import { createReadStream, existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Source } from './source.ts';

const SETTLED_MS = 2_000;
const BORDER = Buffer.from('\n\nFrom ');
const BORDER_CRLF = Buffer.from('\r\n\r\nFrom ');
const MOST_AT_ONCE = 5_000;

export function mboxSource(options: { name: string; path: string; now?: () => number }): Source {
  const { name, path, now = Date.now } = options;
  let doneBytes = 0;
  return {
    name,
    async poll(take) {
      const { size, mtimeMs } = await stat(path);
      if (size < doneBytes) doneBytes = 0;
      if (size === doneBytes || existsSync(`${path}.lock`)) return;
      const starts = await messageStarts(path, doneBytes, size);
      const settled = now() - mtimeMs >= SETTLED_MS;
      for (const [i, start] of starts.slice(0, MOST_AT_ONCE).entries()) {
        const next = starts[i + 1];
        if (next === undefined && !settled) return;
        const end = next ?? size;
        await take(createReadStream(path, { start, end: end - 1 }));
        doneBytes = end;
      }
    },
  };
}

/** Where messages begin, from `from` on, which is where one begins. */
async function messageStarts(path: string, from: number, size: number): Promise<number[]> {
  const starts = [from];
  let tail = Buffer.alloc(0);
  let at = from;
  const stream = createReadStream(path, { start: from, end: size - 1 }) as AsyncIterable<Buffer>;
  for await (const chunk of stream) {
    const text = Buffer.concat([tail, chunk]);
    const base = at - tail.length;
    for (const border of [BORDER, BORDER_CRLF]) {
      let found = text.indexOf(border);
      while (found >= 0) {
        const start = base + found + border.length - 5;
        if (!starts.includes(start)) starts.push(start);
        found = text.indexOf(border, found + 1);
      }
    }
    at += chunk.length;
    tail = text.subarray(Math.max(text.length - BORDER_CRLF.length + 1, 0));
    if (starts.length > MOST_AT_ONCE) break;
  }
  return starts.sort((a, b) => a - b);
}
