/**
 * bounce/families/report-text — the human part of a report, without the message it returns.
 *
 * Reports of every family say first what went wrong and then append the returned message. What
 * stands behind that border belongs to somebody else and may hold any address.
 *
 * Promises: at most MAX_LINES lines of MAX_LINE characters; `returned` begins where the returned
 *           headers begin, or is empty.
 */

const MAX_LINES = 400;
const MAX_LINE = 2_000;

export interface ReportText {
  lines: readonly string[];
  /** The text behind the border, quoting marks and indentation of its headers removed. */
  returned: string;
}

const MESSAGE = String.raw`(?:e-?mails?|messages?|mails?|nachricht|mensaje|mensagem|messaggio)`;
const WORDS = new RegExp(
  [
    String.raw`(?:original|returned|unsent|undelivered|source|bounced|enclosed) ${MESSAGE}\b`,
    String.raw`(?:cop(?:y|ia)|headers?|text|lines|body|summary|part) of (?:the|your|this|el|la) `,
    String.raw`${MESSAGE} (?:headers?|text|body)\b`,
    String.raw`\b(?:mensaje|mensagem|message|messaggio) original`,
    'below this line',
    '原(?:始)?邮件|原信|元のメール|オリジナル|原郵件',
  ].join('|'),
  'i',
);
const DECORATED = /^[-=*_~#|+.<> ]{2,}/;
const FOLLOWS =
  /(?:follow(?:s|ing)?|below|attached|enclosed|included)\b[^.]{0,40}[.:>]?|[:：]$|一份拷贝|headers? of|copy of/i;
const NOT_BORDER =
  /\b(?:received|assistance|delete|sorry|log|transcript|addresses)\b|信息|資訊|情報/i;
const HEADER_START =
  /^(?:> ?| {0,3})>?(?:received\s*:\s*(?:from|by|\(|;)|return-path\s*:\s*<|x-(?:received|google-smtp-source|originating-ip|gm-message-state)\s*:\s*\S|dkim-signature\s*:\s*\S)/i;

export function splitReport(text: string): ReportText {
  const all = text.split('\n', 4_000);
  const lines: string[] = [];
  let kept = 0;
  for (let at = 0; at < all.length; at += 1) {
    const line = (all[at] ?? '').slice(0, MAX_LINE).trimEnd();
    if (isBorder(line, kept)) return { lines, returned: returnedFrom(all, at + 1) };
    if (HEADER_START.test(line)) return { lines, returned: returnedFrom(all, at) };
    if (line !== '') kept += 1;
    if (lines.length < MAX_LINES) lines.push(line);
  }
  return { lines, returned: '' };
}

/** A line that announces the returned message; never the first line of a report. */
function isBorder(line: string, linesBefore: number): boolean {
  if (linesBefore === 0 || line.length > 160) return false;
  if (!WORDS.test(line)) return false;
  if (DECORATED.test(line.trim())) return !/\b(?:log|addresses)\b/i.test(line);
  return FOLLOWS.test(line) && !NOT_BORDER.test(line);
}

function returnedFrom(all: readonly string[], start: number): string {
  let at = start;
  while (at < all.length && !/^[> ]{0,4}[\w-]{2,60}\s*:/.test(all[at] ?? '')) {
    at += 1;
    if (at > start + 15) return '';
  }
  const first = all[at] ?? '';
  const prefix = /^[> ]*/.exec(first)?.[0] ?? '';
  return all
    .slice(at, at + 500)
    .map((line) => (prefix !== '' && line.startsWith(prefix) ? line.slice(prefix.length) : line))
    .join('\n');
}
