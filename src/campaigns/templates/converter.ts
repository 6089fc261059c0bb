/**
 * campaigns/templates/converter — MJML to HTML and HTML to text, once, when content is stored.
 *
 * Promises: runs in a thread of its own with a time and a memory limit, one at a time, so hostile or
 *           huge sources cannot hold up sending, and the 60 MB that MJML needs are gone afterwards.
 *           `{{...}}` passes through untouched. Nothing is included from disk.
 * Why one:  twelve sources of 1 MB side by side took 2.9 GB, and each of them its time limit; 200,000
 *           nested <div> hold a thread for 21 s.
 * Fails:    with the faults and their lines, as values; AppError `overloaded` when eight wait already.
 * See:      converter-worker.ts.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { AppError, messageOf } from '../../kernel/errors.ts';
import type { TemplateFault } from './syntax.ts';

export interface ConvertInput {
  format: 'mjml' | 'html';
  source: string;
  /** null: made from the HTML. */
  text: string | null;
}

export type ConvertResult =
  { ok: true; html: string; text: string } | { ok: false; faults: TemplateFault[] };

export type Convert = (input: ConvertInput) => Promise<ConvertResult>;

const TIME_LIMIT_MS = 15_000;
const MEMORY_LIMIT_MB = 512;
const MAX_WAITING = 8;

export function createConverter(): Convert {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (input) => {
    const { format, source, text } = input;
    if (format === 'html' && text !== null) return { ok: true, html: source, text };
    const include = format === 'mjml' ? lineOf(source, /<\s*mj-include\b/i) : null;
    if (include !== null) {
      return { ok: false, faults: [{ line: include, reason: '<mj-include> is not available' }] };
    }
    if (waiting > MAX_WAITING) throw new AppError('overloaded', 'too many templates at one time');
    waiting += 1;
    const turn = last.then(() => convertInThread(input));
    last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      waiting -= 1;
    }
  };
}

async function convertInThread(input: ConvertInput): Promise<ConvertResult> {
  const worker = new Worker(new URL('./converter-worker.ts', import.meta.url), {
    workerData: input,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_LIMIT_MB, maxYoungGenerationSizeMb: 16 },
  });
  try {
    const [result] = (await once(worker, 'message', {
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    })) as [ConvertResult];
    return result;
  } catch (error) {
    const reason =
      error instanceof Error && error.name === 'AbortError'
        ? `takes longer than ${TIME_LIMIT_MS / 1000} s to convert`
        : `cannot be converted: ${messageOf(error)}`;
    return { ok: false, faults: [{ line: null, reason }] };
  } finally {
    await worker.terminate();
  }
}

function lineOf(source: string, pattern: RegExp): number | null {
  const at = source.search(pattern);
  return at < 0 ? null : source.slice(0, at).split('\n').length;
}
