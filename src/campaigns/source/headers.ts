/**
 * campaigns/source/headers — header fields that differ from recipient to recipient. Pure.
 *
 * Promises: 7-bit lines of at most 76 characters where they can be folded; whatever a name or subject
 *           holds, it comes out as one field. Text that is not plain ASCII, or looks like an
 *           encoded-word itself, is encoded whole (RFC 2047, B).
 * See:      subject.ts takes line breaks out of subjects before.
 */
import { parseAddress } from '../../kernel/address.ts';

const ENCODED_WORD_BYTES = 39;
const SHORT = 60;
const PLAIN = /^[\x20-\x7e]*$/;
/** Nobody is named, in a single copy. */
export const UNDISCLOSED = 'To: undisclosed-recipients:;\r\n';

export function subjectField(subject: string): string {
  if (!isPlain(subject)) return `Subject: ${encodedWords(subject)}\r\n`;
  return `Subject: ${subject.length > SHORT ? foldAtSpaces(subject) : subject}\r\n`;
}

/** An address that needs SMTPUTF8 cannot stand in a 7-bit header, so such a message names nobody. */
export function toField(name: string | null, address: string): string {
  if (!PLAIN.test(address)) return UNDISCLOSED;
  if (name === null || name === '') return `To: ${address}\r\n`;
  const plain = isPlain(name) && name.length <= SHORT;
  const phrase = plain ? `"${name.replace(/["\\]/g, '\\$&')}"` : encodedWords(name);
  const fits = plain && phrase.length + address.length < SHORT;
  return `To: ${phrase}${fits ? ' ' : '\r\n '}<${address}>\r\n`;
}

/** RFC 5322 3.3, in UTC. */
export function dateField(at: Date): string {
  return `Date: ${at.toUTCString().replace('GMT', '+0000')}\r\n`;
}

/** RFC 2369; one-click (RFC 8058) only with an https link that names the recipient. */
export function unsubscribeFields(url: string | null, mailto: string, oneClick: boolean): string {
  const mail = `<mailto:${mailto}?subject=unsubscribe>`;
  if (url === null) return `List-Unsubscribe: ${mail}\r\n`;
  const post = oneClick ? 'List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n' : '';
  return `List-Unsubscribe: <${url}>,\r\n ${mail}\r\n${post}`;
}

/** RFC 3834: nobody's program answers what a program wrote. `replyTo` is an address of ours. */
export function noticeFields(replyTo: unknown): string {
  const address = typeof replyTo === 'string' ? parseAddress(replyTo) : null;
  const reply =
    address?.ok === true && !address.value.utf8 ? `Reply-To: ${address.value.address}\r\n` : '';
  return `${reply}Auto-Submitted: auto-generated\r\n`;
}

function isPlain(text: string): boolean {
  return PLAIN.test(text) && !text.includes('=?');
}

/** Words of at most 64 characters, cut between characters, so that each decodes on its own. */
function encodedWords(text: string): string {
  const words: string[] = [];
  let word = '';
  let bytes = 0;
  for (const character of text) {
    const size = Buffer.byteLength(character);
    if (bytes + size > ENCODED_WORD_BYTES) {
      words.push(word);
      word = '';
      bytes = 0;
    }
    word += character;
    bytes += size;
  }
  words.push(word);
  return words.map((part) => `=?UTF-8?B?${Buffer.from(part).toString('base64')}?=`).join('\r\n ');
}

/** Breaks before spaces; a word too long for a line (RFC 5322: 998) makes it encoded-words. */
function foldAtSpaces(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (word.length > 900) return encodedWords(text);
    if (line !== '' && line.length + 1 + word.length > SHORT) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.join('\r\n ');
}
