/**
 * campaigns/templates/converter-worker — the thread that runs MJML and makes the text part. An entry
 * point: started by converter.ts.
 *
 * Nothing is read from disk: `mj-include` is ignored by option (converter.ts refuses it before), no
 * configuration file is looked up, and no web fonts are linked (`fonts: {}`), which would tell a third
 * party who opens the mail.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../kernel/errors.ts';
import type { ConvertInput, ConvertResult } from './converter.ts';
import { plainTextOf } from './plain-text.ts';

/** MJML grows about fivefold. */
const MAX_HTML_BYTES = 4 * 1024 * 1024;

async function convert({ format, source, text }: ConvertInput): Promise<ConvertResult> {
  try {
    const made = format === 'html' ? source : await htmlOf(source);
    if (typeof made !== 'string') return made;
    if (Buffer.byteLength(made) > MAX_HTML_BYTES) {
      return failed(`becomes more than ${MAX_HTML_BYTES} bytes of HTML`);
    }
    return { ok: true, html: made, text: text ?? plainTextOf(made) };
  } catch (error) {
    return failed(messageOf(error));
  }
}

async function htmlOf(source: string): Promise<string | ConvertResult> {
  // 0.4 s to load: only for who needs it.
  const { default: mjml2html } = await import('mjml');
  const { html, errors } = await mjml2html(source, {
    validationLevel: 'soft',
    ignoreIncludes: true,
    keepComments: false,
    fonts: {},
  });
  if (errors.length === 0) return withoutIndentation(html);
  const faults = errors.map(({ line, tagName, message }) => ({
    line,
    reason: `<${tagName}>: ${message}`,
  }));
  return { ok: false, faults };
}

/** A fifth of what MJML writes is indentation; every mail would carry it. Kept where it can show. */
function withoutIndentation(html: string): string {
  if (/<(?:pre|textarea)\b|white-space\s*:\s*(?:pre|break-spaces)/i.test(html)) return html;
  return html.replace(/\n\s+/g, '\n').trim();
}

function failed(reason: string): ConvertResult {
  return { ok: false, faults: [{ line: null, reason }] };
}

if (parentPort !== null) parentPort.postMessage(await convert(workerData as ConvertInput));
