/**
 * campaigns/templates/plain-text — the text part, made from the HTML when none was given. Pure.
 *
 * Works on the template, not on each rendered mail: `{{...}}` passes through, so nothing here may
 * change letters (no upper-case headings) or break lines inside an expression (no wrapping).
 */
import { convert } from 'html-to-text';

const HEADINGS = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'];

export function plainTextOf(html: string): string {
  const text = convert(html, {
    wordwrap: false,
    limits: { maxInputLength: 4 * 1024 * 1024, maxDepth: 200 },
    selectors: [
      ...HEADINGS.map((selector) => ({ selector, options: { uppercase: false } })),
      // Cells of a row on one line, apart; most tables of mails are layout.
      ...['td', 'th'].map((selector) => ({
        selector,
        format: 'inlineSurround',
        options: { suffix: ' ' },
      })),
      {
        selector: 'tr',
        format: 'block',
        options: { leadingLineBreaks: 1, trailingLineBreaks: 1 },
      },
      { selector: 'img', format: 'skip' },
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true, ignoreHref: false } },
    ],
  });
  return `${text
    .replace(/[ \t]+$/gm, '')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}
