/**
 * bounce/dsn — the machine-readable part of a delivery status notification.
 *
 * Reads message/delivery-status and message/global-delivery-status (RFC 3464, 6533) into values.
 *
 * Promises: tolerates what hosts really send: no per-message group, no blank line between
 *           recipients, a missing address type, xtext or utf-8-addr escapes, several parts.
 * Never:    throws; interprets the human text (families/ do that).
 * See:      inspect.ts (joins it with the text), RFC 3461 (ENVID, ORCPT).
 */
import { cleanAddress, firstAddress } from './addresses.ts';
import { headerText } from './charset.ts';
import { DSN_ACTIONS, type DsnAction } from './inspection.ts';
import { firstHeader, readHeaders, type Headers } from './message.ts';

export interface DsnRecipient {
  finalRecipient: string | null;
  originalRecipient: string | null;
  action: DsnAction | null;
  status: string | null;
  diagnostic: string;
  remoteMta: string | null;
}

export interface DsnReport {
  reportingMta: string | null;
  envelopeId: string | null;
  recipients: DsnRecipient[];
}

const MAX_RECIPIENTS = 1_000;
const STATUS = /\b([245]\.\d{1,3}\.\d{1,3})\b/;

/** Null when the text holds no field of a delivery status. */
export function readDeliveryStatus(text: string): DsnReport | null {
  const report: DsnReport = { reportingMta: null, envelopeId: null, recipients: [] };
  let known = false;
  for (const group of fieldGroups(text)) {
    const reportingMta = firstHeader(group, 'reporting-mta');
    const envelopeId = firstHeader(group, 'original-envelope-id');
    if (reportingMta !== null) report.reportingMta ??= afterType(reportingMta);
    if (envelopeId !== null) report.envelopeId ??= decodeXtext(envelopeId).slice(0, 200);
    known ||= reportingMta !== null || envelopeId !== null;
    if (!isRecipientGroup(group)) continue;
    known = true;
    if (report.recipients.length < MAX_RECIPIENTS) report.recipients.push(recipientOf(group));
  }
  return known ? report : null;
}

function isRecipientGroup(group: Headers): boolean {
  const fields = ['final-recipient', 'original-recipient', 'x-actual-recipient'];
  return fields.some((name) => group.has(name)) || (group.has('action') && group.has('status'));
}

function recipientOf(group: Headers): DsnRecipient {
  const field = (name: string): string | null => firstHeader(group, name);
  const address = (name: string): string | null => {
    const value = field(name);
    return value === null ? null : recipientAddress(value);
  };
  const final = address('final-recipient');
  const remote = field('remote-mta');
  return {
    finalRecipient: final ?? address('x-actual-recipient'),
    originalRecipient: address('original-recipient'),
    // RFC 3464 2.3.9: only of what is still being tried.
    action: actionOf(field('action')) ?? (group.has('will-retry-until') ? 'delayed' : null),
    status: STATUS.exec(field('status') ?? '')?.[1] ?? null,
    diagnostic: headerText(diagnosticOf(group)),
    remoteMta: remote === null ? null : afterType(remote),
  };
}

function diagnosticOf(group: Headers): string {
  const values = group.get('diagnostic-code') ?? [];
  const best = values.find((value) => /^\s*smtp\b/i.test(value)) ?? values[0] ?? '';
  const text = afterType(best);
  if (text !== '') return text;
  // `Status: 5.1.1 (unknown user)`: some hosts say it there.
  return /\(([^()]{3,400})\)/.exec(firstHeader(group, 'status') ?? '')?.[1] ?? '';
}

function actionOf(value: string | null): DsnAction | null {
  const word = /[a-z]+/.exec((value ?? '').toLowerCase())?.[0] ?? '';
  const exact = DSN_ACTIONS.find((action) => action === word);
  if (exact !== undefined) return exact;
  if (/^(?:fail|failure|undeliver)/.test(word)) return 'failed';
  if (/^(?:delay|transient|defer)/.test(word)) return 'delayed';
  return /^(?:deliver|success)/.test(word) ? 'delivered' : null;
}

/** `rfc822; user@example.com` -> the address. */
export function recipientAddress(value: string): string | null {
  const text = decodeUtf8Escapes(afterType(value));
  return cleanAddress(text) ?? firstAddress(text) ?? misspelt(text);
}

/** A field names one recipient, so even what can be no address (`user@#example.com`) is one. */
function misspelt(text: string): string | null {
  return (
    /^<?([^\s<>@"\u0000-\u001f\u007f]{1,64}@[^\s<>@";\u0000-\u001f\u007f]{1,255})>?$/.exec(
      text.trim(),
    )?.[1] ?? null
  );
}

/** `smtp; 550 no` -> `550 no`; a value without a type is given back whole. */
function afterType(value: string): string {
  return value.replace(/^\s*[A-Za-z][\w.-]{0,30}\s*;\s*/, '').trim();
}

/** RFC 3461 4: `+3D` -> `=`. */
export function decodeXtext(text: string): string {
  return text.replace(/\+([0-9A-F]{2})/g, (_whole, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** RFC 6533 3: `\x{1F408}` -> the character. */
function decodeUtf8Escapes(text: string): string {
  return text.replace(/\\x\{([0-9A-Fa-f]{1,6})\}/g, (whole, hex: string) => {
    const point = Number.parseInt(hex, 16);
    return point > 0x1f && point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}

/** Blocks of fields; a new one begins at a blank line and where a recipient field repeats. */
function* fieldGroups(text: string): Generator<Headers> {
  const starts = /^(?:original-recipient|final-recipient):/i;
  let block: string[] = [];
  let seen = new Set<string>();
  for (const line of text.split('\n', 20_000)) {
    const start = starts.exec(line)?.[0].toLowerCase();
    const repeats = start !== undefined && seen.has(start);
    if ((line.trim() === '' || repeats) && block.length > 0) {
      yield fieldsOf(block);
      block = [];
      seen = new Set();
    }
    if (start !== undefined) seen.add(start);
    if (line.trim() !== '') block.push(line);
  }
  if (block.length > 0) yield fieldsOf(block);
}

function fieldsOf(lines: readonly string[]): Headers {
  const text = lines.join('\n');
  return readHeaders(text, 0, text.length).headers;
}
