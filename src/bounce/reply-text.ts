/**
 * bounce/reply-text — a reply or a report's reason in the one form that rules are written for.
 *
 * Promises: lower case, white space folded to single spaces, the code repeated on continuation
 *           lines (`550-5.7.1 `) dropped after its first appearance, at most TEXT_LIMIT characters.
 */
export const TEXT_LIMIT = 4_096;

const LEADING_CODES = /^\s*([245]\d\d)[ -]\s*(?:#?([245]\.\d{1,3}\.\d{1,3})\b)?/;

export interface Codes {
  code: number | null;
  enhanced: string | null;
}

export function replyText(text: string): string {
  const folded = text
    .slice(0, TEXT_LIMIT)
    .replace(/[\s\u0000-\u001f\u007f]+/gu, ' ')
    .trim()
    .toLowerCase();
  const codes = LEADING_CODES.exec(folded);
  if (codes?.[1] === undefined) return folded;
  const end = codes[0].length;
  let rest = folded.slice(end);
  for (const separator of ['-', ' ']) {
    const repeated = ` ${codes[1]}${separator}${codes[2] ?? ''}`;
    if (codes[2] !== undefined) rest = rest.replaceAll(repeated, '');
    else if (separator === '-') rest = rest.replaceAll(repeated, ' ');
  }
  return folded.slice(0, end) + rest;
}

/** The codes of a refusal that a text itself carries: `host x said: 550 5.1.1 no` -> 550, 5.1.1. */
export function codesIn(text: string): Codes {
  const head = text.slice(0, TEXT_LIMIT);
  const enhanced = /(?:^|[\s(#:;['-])([45]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(head)?.[1] ?? null;
  const code = /(?:^|[\s(:;"'<-])([45]\d\d)(?=[\s:;,#"'-]|$)(?!-\d)/.exec(head)?.[1];
  return { code: code === undefined ? null : Number(code), enhanced };
}
