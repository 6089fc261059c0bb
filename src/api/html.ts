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
body { font: 1.125rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 10vh auto; padding: 0 1.5rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.6rem; line-height: 1.3; }
button { font: inherit; padding: .6rem 1.4rem; cursor: pointer; border: 2px solid #0b57a4; border-radius: .3rem; background: #0b57a4; color: #fff; }
code { font-family: ui-monospace, monospace; }
label { display: block; margin-bottom: 1.2rem; }
fieldset { border: 1px solid #767676; border-radius: .3rem; margin: 0 0 1.2rem; padding: .8rem 1rem; }
legend { padding: 0 .4rem; }
input[type=email], select { font: inherit; display: block; width: 100%; box-sizing: border-box; padding: .5rem; margin-top: .3rem; }
.choice { display: flex; gap: .7rem; align-items: baseline; margin: .3rem 0; padding: .25rem 0; }
[role=alert] { color: #b00020; font-weight: 600; }
:focus-visible { outline: 3px solid #c25400; outline-offset: 2px; }
@media (prefers-color-scheme: dark) {
body { color: #eee; background: #16181c; }
button { background: #8ab8f0; border-color: #8ab8f0; color: #10131a; }
[role=alert] { color: #ff9c9c; }
:focus-visible { outline-color: #ffb870; }
}
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
