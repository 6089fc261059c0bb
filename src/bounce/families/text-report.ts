/**
 * bounce/families/text-report — a report that is written for people, read by its layout.
 *
 * Promises: names only addresses that stand in the report (or in its X-Failed-Recipients field),
 *           each with the words that belong to it. The strongest role wins: a list of heads before
 *           labels before the transcript before sentences; a field of the reporter before all.
 * Never:    decides whether the message is a report at all (report-signs.ts does).
 * See:      mentions.ts (the four layouts), report-text.ts (where the report ends).
 */
import { addressesIn } from '../addresses.ts';
import { findMentions, withoutOwn, type Mention, type Role } from './mentions.ts';
import { splitReport, type ReportText } from './report-text.ts';

export interface TextRecipient {
  recipient: string;
  /** The words next to the address; may be empty. */
  reason: string;
}

export interface TextReport {
  recipients: TextRecipient[];
  /** Lower-case address -> its reason. */
  reasons: ReadonlyMap<string, string>;
  /** The whole report without the addresses' lines, for what is said once for all of them. */
  shared: string;
  text: ReportText;
}

export interface TextSource {
  text: string;
  /** Addresses of the one who gets the report: its To, the returned message's sender. */
  own: readonly string[];
  /** X-Failed-Recipients (Exim, Gmail, Mail.Ru). */
  failedRecipients: readonly string[];
}

const REASON_LINES = 14;
const SHARED_CHARACTERS = 3_000;
const REASON_CHARACTERS = 1_200;
const MAX_RECIPIENTS = 1_000;
const MAX_MENTIONS = 4;
/** By strength. `quoted` is the To line of a quoted header. */
const ROLES: readonly Role[] = ['head', 'label', 'transcript', 'sentence', 'quoted'];

export function readTextReport(source: TextSource): TextReport {
  const text = splitReport(source.text);
  const mentions = findMentions(text.lines);
  const chosen = choose(mentions, source);
  const taken = new Set(chosen.flatMap(({ mentions: each }) => each.map(({ line }) => line)));
  const recipients = chosen.map(({ recipient, mentions: each }) => ({
    recipient,
    reason: joined(each.map((mention) => reasonOf(text.lines, mention, taken))),
  }));
  const shared = text.lines.filter((_line, at) => !taken.has(at)).join('\n');
  const reasons = new Map(recipients.map((each) => [each.recipient.toLowerCase(), each.reason]));
  return { recipients, reasons, shared: shared.slice(0, SHARED_CHARACTERS), text };
}

interface Chosen {
  recipient: string;
  /** Where the report names it, in its strongest role. */
  mentions: Mention[];
}

function choose(mentions: readonly Mention[], source: TextSource): Chosen[] {
  const { failedRecipients, own } = source;
  const named = byAddress(
    failedRecipients.length > 0 ? mentions : byRole(withoutOwn(mentions, own)),
  );
  if (failedRecipients.length === 0) return [...named.values()].slice(0, MAX_RECIPIENTS);
  return failedRecipients.map((recipient) => ({
    recipient,
    mentions: byRole(named.get(recipient.toLowerCase())?.mentions ?? []),
  }));
}

function byRole(mentions: readonly Mention[]): Mention[] {
  for (const role of ROLES) {
    const of = mentions.filter((each) => each.role === role);
    if (of.length > 0) return of;
  }
  return [];
}

function byAddress(mentions: readonly Mention[]): Map<string, Chosen> {
  const found = new Map<string, Chosen>();
  for (const mention of mentions) {
    const key = mention.address.toLowerCase();
    const known = found.get(key);
    if (known === undefined) found.set(key, { recipient: mention.address, mentions: [mention] });
    else if (known.mentions.length < MAX_MENTIONS) known.mentions.push(mention);
  }
  return found;
}

function joined(reasons: readonly string[]): string {
  return [...new Set(reasons)]
    .filter((reason) => reason !== '')
    .join(' ')
    .slice(0, REASON_CHARACTERS);
}

/** The rest of the line and what follows, up to the next address or the end of the paragraph. */
function reasonOf(lines: readonly string[], mention: Mention, taken: ReadonlySet<number>): string {
  if (mention.role === 'quoted') return '';
  if (mention.role === 'transcript') return transcriptOf(lines, mention);
  const words = mention.role === 'label' ? [(lines[mention.line] ?? '').trim()] : [mention.rest];
  if (mention.role === 'sentence') words.push((lines[mention.line] ?? '').trim());
  let length = words.join(' ').length;
  for (let at = mention.line + 1; at < lines.length; at += 1) {
    const line = (lines[at] ?? '').trim();
    const begun = words.some((word) => word !== '') && mention.role !== 'sentence';
    if (taken.has(at) || (line === '' && begun)) break;
    if (line === '' || /^[-=*_~]{3,}$/.test(line)) continue;
    words.push(line);
    length += line.length;
    if (words.length > REASON_LINES || length > REASON_CHARACTERS) break;
  }
  return words
    .filter((word) => word !== '')
    .join(' ')
    .slice(0, REASON_CHARACTERS);
}

/** The replies (`<<<`) that follow the command, and lines that name the address. */
function transcriptOf(lines: readonly string[], mention: Mention): string {
  const words: string[] = mention.rest === '' ? [] : [mention.rest];
  for (const line of lines.slice(mention.line + 1, mention.line + 6)) {
    if (/^\s*(?:>>>|In:)/.test(line)) break;
    if (line.trim() !== '') words.push(line.replace(/^\s*(?:<<<|Out:)\s*/, '').trim());
  }
  return words.join(' ').slice(0, REASON_CHARACTERS);
}

export function failedRecipientsOf(values: readonly string[]): string[] {
  return addressesIn(values.join(', '), 1_000);
}
