/**
 * campaigns/templates/mjml — MJML to HTML, once, when a template is stored.
 *
 * Promises: runs in a thread of its own with a time and a memory limit, so a hostile or huge source
 *           cannot hold up sending, and the 60 MB that MJML needs are gone afterwards. `{{...}}` passes
 *           through untouched. Nothing is included from disk.
 * Fails:    with the faults and their lines, as values.
 * See:      mjml-worker.ts.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { messageOf } from '../../kernel/errors.ts';
import type { TemplateFault } from './syntax.ts';

export type MjmlResult = { ok: true; html: string } | { ok: false; faults: TemplateFault[] };

const TIME_LIMIT_MS = 15_000;
const MEMORY_LIMIT_MB = 512;

export async function compileMjml(source: string): Promise<MjmlResult> {
  const include = lineOf(source, /<\s*mj-include\b/i);
  if (include !== null) {
    return { ok: false, faults: [{ line: include, reason: '<mj-include> is not available' }] };
  }
  const worker = new Worker(new URL('./mjml-worker.ts', import.meta.url), {
    workerData: source,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_LIMIT_MB, maxYoungGenerationSizeMb: 16 },
  });
  try {
    const [result] = (await once(worker, 'message', {
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    })) as [MjmlResult];
    return result.ok ? { ok: true, html: withoutIndentation(result.html) } : result;
  } catch (error) {
    const reason =
      error instanceof Error && error.name === 'AbortError'
        ? `takes longer than ${TIME_LIMIT_MS / 1000} s to compile`
        : `cannot be compiled: ${messageOf(error)}`;
    return { ok: false, faults: [{ line: null, reason }] };
  } finally {
    await worker.terminate();
  }
}

function lineOf(source: string, pattern: RegExp): number | null {
  const at = source.search(pattern);
  return at < 0 ? null : source.slice(0, at).split('\n').length;
}

/** A fifth of what MJML writes is indentation; every mail would carry it. Kept where it can show. */
function withoutIndentation(html: string): string {
  if (/<(?:pre|textarea)\b|white-space\s*:\s*(?:pre|break-spaces)/i.test(html)) return html;
  return html.replace(/\n\s+/g, '\n').trim();
}
