/**
 * api/html — the frame of our few pages for people: no script, no cookie, nothing from elsewhere.
 *
 * Promises: text is escaped by hono/html; the one style sheet is inline and allowed by its hash.
 */
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';

type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

const STYLE = `
:root { color-scheme: light dark; }
body { font: 1.125rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 12vh auto; padding: 0 1.5rem; }
button { font: inherit; padding: .6rem 1.4rem; cursor: pointer; }
code { font-family: ui-monospace, monospace; }
label { display: block; margin-bottom: 1rem; }
input { font: inherit; display: block; width: 100%; box-sizing: border-box; padding: .4rem; }
`;
/** Whole, so that no formatter puts a space inside: the hash is over every character. */
const STYLE_TAG = `<style>${STYLE}</style>`;
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

export const PAGE_HEADERS = {
  'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  'X-Robots-Tag': 'noindex',
};

export function page(language: string, title: string, content: Html): Html {
  return html`<!doctype html>
    <html lang="${language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        ${raw(STYLE_TAG)}
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html>`;
}
