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
      { selector: 'img', format: 'skip' },
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true, ignoreHref: false } },
    ],
  });
  return `${text.trim()}\n`;
}
