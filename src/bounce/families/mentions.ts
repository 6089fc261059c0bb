/**
 * bounce/families/mentions — where a report's text names an address, and in which role.
 *
 * Hundreds of programs write reports; nearly all of them use one of four layouts:
 *
 *   head        the line begins with the address: `<user@example.com>: host mx said: 550 no`
 *   label       words, a colon, the address: `Failed recipient: user@example.com`
 *   transcript  the SMTP conversation: `>>> RCPT TO:<user@example.com>`
 *   sentence    `We could not deliver your message to user@example.com because...`
 *
 * Promises: only addresses that stand in the text. Addresses to ask for help (`contact`), and those
 *           in the role of the sender, are left out. A list is uniform: once it has begun, only
 *           lines of the same shape are heads of it, so that a wrapped reason is none.
 */
import { addressesIn, addressAt, sameAddress } from '../addresses.ts';
import { FAILURE } from './wording.ts';

export type Role = 'head' | 'label' | 'transcript' | 'sentence' | 'quoted';

export interface Mention {
  address: string;
  role: Role;
  /** Index into the lines. */
  line: number;
  /** What the same line says after the address. */
  rest: string;
}

interface Shape {
  indent: number;
  bracket: boolean;
  colon: boolean;
}

const CONTACT =
  /\b(?:contact|assistance|questions?|help|support|abuse|report|write|reply|unsubscribe|please (?:send|mail|e-?mail)|send (?:e-?)?mail|requests?|visit)\b|联系|お問い?合わ?せ|連絡/i;
const SENDER_LABEL =
  /\b(?:from|sender|subject|date|sent|message-?id|reply-?to|b?cc|return-path|generated|expanded|envelope-from|by|mailto|errors-to|x-[\w-]+|copied)\b|发件人|寄件|差出人|expéditeur|absender|remitente|отправител/i;

export function findMentions(lines: readonly string[]): Mention[] {
  const mentions: Mention[] = [];
  let list: Shape | null = null;
  for (const [at, line] of lines.entries()) {
    if (!line.includes('@')) continue;
    const head = headOf(lines, at);
    if (head !== null && (list === null || sameShape(list, head.shape))) {
      list = head.shape;
      mentions.push({ address: head.address, role: 'head', line: at, rest: head.rest });
      continue;
    }
    mentions.push(...labelled(line, at), ...spoken(line, at));
  }
  mentions.push(...sentences(lines));
  return mentions;
}

function sameShape(a: Shape, b: Shape): boolean {
  return a.indent === b.indent && a.bracket === b.bracket && a.colon === b.colon;
}

const HEAD_MARKS = /^[\s>*•·|"'‘“«({[-]*(?:mailto:|smtp:)?<?(?:mailto:|smtp:)?$/i;
const HEAD_NAMED = /^\s*[>*•-]*\s*(?:"[^"]{0,80}"|[^\s@]{1,64}@[^\s@]{1,100})\s+<$/;

function headOf(
  lines: readonly string[],
  at: number,
): { address: string; shape: Shape; rest: string } | null {
  const line = lines[at] ?? '';
  const first = addressAt(line, 0);
  if (first === null) return null;
  const inner = /^["'>\s]{0,3}<([^<>\s]+@[^<>\s]+)>/.exec(line.slice(first.end));
  const second = inner === null ? null : addressAt(line, first.end);
  const found = second ?? first;
  const before = line.slice(0, found.start);
  if (!HEAD_MARKS.test(line.slice(0, first.start)) && !HEAD_NAMED.test(before)) return null;
  if (asksForHelp(lines, at)) return null;
  const after = line.slice(found.end).replace(/^(?:["'>)\]»”]|<mailto:[^>]*>)+/i, '');
  const rest = after.replace(/^[\s:;,.–-]+/, '').trim();
  const shape = {
    indent: /^[ \t]*/.exec(line)?.[0].length ?? 0,
    bracket: before.endsWith('<'),
    colon: /^\s*:\s*$/.test(after),
  };
  return { address: found.address, shape, rest };
}

const INVITES =
  /\b(?:send|write|mail|contact|reply)\b[^.!?:]{0,160}\b(?:to|at)(?: the| this| our)?(?: [a-z-]{1,10})? address$/i;

/** The sentence before this line asks to write to the address that follows. */
function asksForHelp(lines: readonly string[], at: number): boolean {
  const before = lines[at - 1]?.trimEnd() ?? '';
  const unfinished = before !== '' && !/[.!?。:：]$/.test(before);
  if (unfinished && CONTACT.test(before.slice(-60))) return true;
  const sentence = lines
    .slice(Math.max(0, at - 7), at)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ');
  return INVITES.test(sentence.slice(-240));
}

const LABEL =
  /([^:：=;,.<>()[\]]{2,80})[:：=]\s*(?:<|\[?(?:smtp|mailto|rfc822)\s*[:;]\s*<?|"|')?$/i;

function labelled(line: string, at: number): Mention[] {
  const found = addressAt(line, 0);
  if (found === null) return [];
  const label = LABEL.exec(line.slice(0, found.start))?.[1]?.trim() ?? '';
  if (label === '' || SENDER_LABEL.test(label) || CONTACT.test(label)) return [];
  if (/rcpt\s+to$/i.test(label)) return [];
  const role = /^(?:to|an|para|à|a)$/i.test(label) ? 'quoted' : 'label';
  const rest = line.slice(found.end).replace(/^[>\])"'\s:;,.-]+/, '');
  return [{ address: found.address, role, line: at, rest }];
}

const RCPT = /\brcpt\s+to\s*:\s*<?([^\s<>]{1,200}@[^\s<>]{1,200})/gi;
const REPLIED =
  /^\s*(?:<<<\s*)?[45]\d\d[ -](?:[45]\.\d{1,3}\.\d{1,3}\s+)?<?([^\s<>]{1,200}@[^\s<>.]{1,100}[^\s<>]{0,100}?)>?\s?\.\.\./gi;

function spoken(line: string, at: number): Mention[] {
  const mentions: Mention[] = [];
  for (const pattern of [RCPT, REPLIED]) {
    for (const match of line.slice(0, 1_000).matchAll(pattern)) {
      const address = addressesIn(match[1] ?? '', 1)[0];
      const rest = pattern === REPLIED ? line.trim() : '';
      if (address !== undefined) mentions.push({ address, role: 'transcript', line: at, rest });
    }
  }
  return mentions;
}

const POINTS_AT =
  /\b(?:to|for|recipients?|address(?:es|ed)?|users?|accounts?|mailbox|lists?|in|with|inbox)\b[\s"'’`(<:,]*$|(?:收件人|邮箱|用户|地址|账号|帐号|给|至|到|宛先|アドレス)[\s"'“「【(<（:：]*$/i;

/** Paragraphs that tell of a failure, and the addresses they point at. */
function sentences(lines: readonly string[]): Mention[] {
  const mentions: Mention[] = [];
  for (const { text, line } of paragraphs(lines)) {
    if (!FAILURE.test(text)) continue;
    let from = 0;
    for (let count = 0; count < 10; count += 1) {
      const found = addressAt(text, from);
      if (found === null) break;
      from = found.end;
      const before = text.slice(Math.max(0, found.start - 60), found.start);
      if (!POINTS_AT.test(before) || CONTACT.test(before)) continue;
      mentions.push({ address: found.address, role: 'sentence', line, rest: '' });
    }
  }
  return mentions;
}

function* paragraphs(lines: readonly string[]): Generator<{ text: string; line: number }> {
  let text = '';
  let start = 0;
  for (const [at, line] of [...lines, ''].entries()) {
    if (line.trim() !== '' && text.length < 2_000) {
      if (text === '') start = at;
      text += `${line.trim()} `;
    } else if (text !== '') {
      if (text.includes('@')) yield { text, line: start };
      text = '';
    }
  }
}

/** Without the sender's own address, unless there is nothing else. */
export function withoutOwn(mentions: readonly Mention[], own: readonly string[]): Mention[] {
  const others = mentions.filter(({ address }) => !own.some((each) => sameAddress(each, address)));
  return others.length > 0 ? others : [...mentions];
}
