/**
 * range/smtp/transaction — MAIL, RCPT and their parameters, checked against what the host offers.
 *
 * Pure. Promises: a parameter of an extension that was not offered is refused with 555, as a strict
 *           receiver does, and told as a fault of the sender.
 */
import type { Behaviour } from '../behaviour.ts';
import type { FaultKind } from '../ledger.ts';
import type { DomainProfile, Extension } from '../profile.ts';
import type { Ending } from '../reception.ts';
import { decodeXtext } from './command.ts';
import type { Parameters } from './command.ts';

export interface AcceptedRecipient {
  address: string;
  profile: DomainProfile;
  behaviour: Behaviour;
  /** ORCPT decoded, `rfc822;ann@…`; null when there was none. */
  originalRecipient: string | null;
  /** NOTIFY lets us report a failure. */
  wantsFailure: boolean;
}

export interface Transaction {
  sender: string;
  /** ENVID decoded. */
  envelopeId: string | null;
  eightBit: boolean;
  smtputf8: boolean;
  recipients: AcceptedRecipient[];
  /** Of the recipients accepted so far; null while there is none. */
  ending: Ending | null;
}

export interface Refused {
  ok: false;
  reply: string;
  fault: FaultKind | null;
}

const MAIL_EXTENSIONS: Readonly<Record<string, Extension>> = {
  SIZE: 'SIZE',
  BODY: '8BITMIME',
  SMTPUTF8: 'SMTPUTF8',
  RET: 'DSN',
  ENVID: 'DSN',
};
const RCPT_EXTENSIONS: Readonly<Record<string, Extension>> = { NOTIFY: 'DSN', ORCPT: 'DSN' };
const NOTIFY = /^(?:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2})$/i;

function refuse(reply: string, fault: FaultKind | null): Refused {
  return { ok: false, reply, fault };
}

function checkParameters(
  parameters: Parameters,
  known: Readonly<Record<string, Extension>>,
  offered: ReadonlySet<Extension>,
): Refused | null {
  for (const name of parameters.keys()) {
    const extension = known[name];
    if (extension === undefined || !offered.has(extension)) {
      return refuse(`555 5.5.4 Unsupported option: ${name.slice(0, 40)}`, 'extension_not_offered');
    }
  }
  return null;
}

function needsUtf8(address: string): boolean {
  return /[^\u0000-\u007f]/.test(address);
}

function isMailbox(address: string): boolean {
  const at = address.lastIndexOf('@');
  return at > 0 && at < address.length - 1 && Buffer.byteLength(address.slice(0, at)) <= 64;
}

export function openTransaction(
  sender: string,
  parameters: Parameters,
  host: { offered: ReadonlySet<Extension>; maxMessageBytes: number },
): { ok: true; transaction: Transaction } | Refused {
  const wrong = checkParameters(parameters, MAIL_EXTENSIONS, host.offered);
  if (wrong !== null) return wrong;
  if (sender !== '' && !isMailbox(sender)) {
    return refuse('501 5.1.7 Bad sender address syntax', 'syntax');
  }
  const smtputf8 = parameters.has('SMTPUTF8');
  if (needsUtf8(sender) && !smtputf8) {
    return refuse('553 5.6.7 Address needs SMTPUTF8', 'smtputf8_undeclared');
  }
  const body = parameters.get('BODY')?.toUpperCase();
  if (body !== undefined && body !== '7BIT' && body !== '8BITMIME') {
    return refuse('501 5.5.4 Bad BODY', 'syntax');
  }
  const size = parameters.get('SIZE');
  if (size !== undefined && !/^\d{1,15}$/.test(size)) {
    return refuse('501 5.5.4 Bad SIZE', 'syntax');
  }
  if (size !== undefined && Number(size) > host.maxMessageBytes) {
    return refuse('552 5.3.4 Message size exceeds the limit of this host', null);
  }
  const envelopeId = decodeXtext(parameters.get('ENVID') ?? '');
  if (envelopeId === null) return refuse('501 5.5.4 Bad ENVID', 'syntax');
  const transaction: Transaction = {
    sender,
    envelopeId: parameters.has('ENVID') ? envelopeId : null,
    eightBit: body === '8BITMIME' || smtputf8,
    smtputf8,
    recipients: [],
    ending: null,
  };
  return { ok: true, transaction };
}

export interface RecipientOptions {
  ok: true;
  originalRecipient: string | null;
  wantsFailure: boolean;
}

export function checkRecipient(
  address: string,
  parameters: Parameters,
  transaction: Transaction,
  offered: ReadonlySet<Extension>,
): RecipientOptions | Refused {
  const wrong = checkParameters(parameters, RCPT_EXTENSIONS, offered);
  if (wrong !== null) return wrong;
  if (!isMailbox(address)) return refuse('501 5.1.3 Bad recipient address syntax', 'syntax');
  if (needsUtf8(address) && !transaction.smtputf8) {
    return refuse('553 5.6.7 Address needs SMTPUTF8', 'smtputf8_undeclared');
  }
  const notify = parameters.get('NOTIFY');
  if (notify !== undefined && !NOTIFY.test(notify)) {
    return refuse('501 5.5.4 Bad NOTIFY', 'syntax');
  }
  const original = parameters.get('ORCPT');
  const decoded = original === undefined ? null : decodeXtext(original);
  if (original !== undefined && !/^[a-z0-9-]+;./i.test(decoded ?? '')) {
    return refuse('501 5.5.4 Bad ORCPT', 'syntax');
  }
  return {
    ok: true,
    originalRecipient: decoded,
    wantsFailure:
      transaction.sender !== '' && (notify ?? 'FAILURE').toUpperCase().includes('FAILURE'),
  };
}
