/**
 * campaigns/templates/mjml-worker — the thread that runs MJML. An entry point: started by mjml.ts.
 *
 * Nothing is read from disk: `mj-include` is ignored by option (mjml.ts refuses it before), no
 * configuration file is looked up, and no web fonts are linked (`fonts: {}`), which would tell a third
 * party who opens the mail.
 */
import { parentPort, workerData } from 'node:worker_threads';
import mjml2html from 'mjml';
import { messageOf } from '../../kernel/errors.ts';
import type { MjmlResult } from './mjml.ts';

async function compile(source: string): Promise<MjmlResult> {
  try {
    const { html, errors } = await mjml2html(source, {
      validationLevel: 'soft',
      ignoreIncludes: true,
      keepComments: false,
      fonts: {},
    });
    if (errors.length === 0) return { ok: true, html };
    const faults = errors.map(({ line, tagName, message }) => ({
      line,
      reason: `<${tagName}>: ${message}`,
    }));
    return { ok: false, faults };
  } catch (error) {
    return { ok: false, faults: [{ line: null, reason: messageOf(error) }] };
  }
}

if (parentPort !== null) parentPort.postMessage(await compile(workerData as string));
