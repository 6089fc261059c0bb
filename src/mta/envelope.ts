/**
 * mta/envelope — a work as a session sends it: made, checked before anything is asked, written as
 * commands, and taken off the session.
 *
 * Pure.
 *
 * Promises: what cannot be sent over this session is decided without a question to the receiver. An
 *           envelope leaves the session once, by `finish`; its recipients over the receiver's limit
 *           come back then.
 * See:      exchange.ts (one after another), train.ts (several at once), command.ts.
 */
import { fitsXverp, isSafe, mailCommand, needsUtf8, rcptCommand } from './command.ts';
import { isAsciiMessage, stuffMessage } from './message.ts';
import type { LocalFailure } from './outcome.ts';
import { decide, decideAll } from './session-state.ts';
import type { Envelope, SessionState, Slot, Work } from './session-state.ts';

export function makeEnvelope(state: SessionState, work: Work): Envelope {
  const { chunking } = state.capabilities;
  return {
    work,
    startedAtMs: state.nowMs,
    startedIdleMs: state.idleMs,
    slots: work.recipients.map((recipient) => ({ recipient, state: 'open' })),
    stuffed: chunking ? null : stuffMessage(work.transaction.message),
    mark: 'waiting',
    unsent: [],
    outstanding: 0,
    mailAccepted: false,
    ahead: false,
    rcptAccepted: 0,
    phase: 'commands',
    bodyOffset: 0,
    dotAtMs: 0,
    inTrain: false,
    refusal: null,
  };
}

/** What can be known without asking the receiver. */
export function refuseUnsendable(state: SessionState, envelope: Envelope): void {
  const { capabilities } = state;
  const { envelopeSender, message } = envelope.work.transaction;
  const limit = capabilities.sizeLimitBytes ?? 0;
  const refuse = (failure: LocalFailure): void =>
    decideAll(state, envelope, 'open', { stage: 'mail', reply: null, failure });

  // Ours, not his: `bad_address` would be held against the recipient.
  if (!isSafe(envelopeSender)) refuse('render_failed');
  if (envelope.stuffed === null && !capabilities.chunking) refuse('render_failed');
  if (limit > 0 && message.sizeBytes > limit) refuse('too_large');
  if (!capabilities.eightBitMime && !isAsciiMessage(message)) refuse('eight_bit_unsupported');
  if (needsUtf8(envelopeSender) && !capabilities.smtpUtf8) refuse('smtputf8_unsupported');
  for (const slot of envelope.slots) {
    const { address } = slot.recipient;
    const failure = !isSafe(address)
      ? 'bad_address'
      : needsUtf8(address) && !capabilities.smtpUtf8
        ? 'smtputf8_unsupported'
        : null;
    if (failure !== null) decide(state, envelope, slot, { stage: 'rcpt', reply: null, failure });
  }
}

export function leaveOverLimit(state: SessionState, envelope: Envelope): void {
  const limits = [state.maxRecipients, state.capabilities.limits.rcptMax];
  const limit = Math.min(...limits.map((value) => value ?? Infinity));
  const open = envelope.slots.filter((slot) => slot.state === 'open');
  for (const slot of open.slice(limit)) slot.state = 'left_over';
}

export function composeCommands(state: SessionState, envelope: Envelope): Envelope['unsent'] {
  const { capabilities } = state;
  const { transaction } = envelope.work;
  const open = envelope.slots.filter((slot) => slot.state === 'open');
  const addresses = open.map((slot) => slot.recipient.address);
  const utf8 = [transaction.envelopeSender, ...addresses];
  const mail = mailCommand({
    sender: transaction.envelopeSender,
    sizeBytes: capabilities.sizeLimitBytes === null ? null : transaction.message.sizeBytes,
    eightBit: capabilities.eightBitMime && !isAsciiMessage(transaction.message),
    utf8: utf8.some(needsUtf8),
    dsn: capabilities.dsn ? { envelopeId: transaction.envelopeId } : null,
    requireTls: state.options.requireTls,
    xverp:
      transaction.xverp === true &&
      capabilities.xverp &&
      fitsXverp(transaction.envelopeSender, addresses),
  });
  const commands: Envelope['unsent'] = [{ line: mail, expect: { kind: 'mail', envelope } }];
  // Of a message of a train nobody knows yet whether its recipient was taken.
  const reset = state.needsReset || state.awaiting.some(({ inTrain }) => inTrain);
  if (reset) commands.unshift({ line: 'RSET\r\n', expect: { kind: 'rset', envelope } });
  state.needsReset = false;
  for (const slot of open) {
    const line = rcptCommand(slot.recipient.address, capabilities.dsn);
    commands.push({ line, expect: { kind: 'rcpt', envelope, slot } });
  }
  // BDAT carries the message itself: it is not written before a recipient is accepted.
  if (envelope.stuffed !== null) {
    commands.push({ line: 'DATA\r\n', expect: { kind: 'data', envelope } });
  }
  return commands;
}

export function hasUndecided(envelope: Envelope): boolean {
  return envelope.slots.some((slot) => slot.state === 'open' || slot.state === 'accepted');
}

/** Takes an envelope off the session: what is left over comes back, then `done`. */
export function finish(state: SessionState, envelope: Envelope, dotReplyMs: number | null): void {
  const leftOver = envelope.slots.filter((slot) => slot.state === 'left_over');
  giveBack(state, envelope, leftOver, envelope.work.attempts);
  if (state.current === envelope) state.current = null;
  takeOut(state.awaiting, envelope);
  takeOut(state.queued, envelope);
  state.actions.push({ type: 'done', work: envelope.work, dotReplyMs });
}

export function giveBack(
  state: SessionState,
  envelope: Envelope,
  slots: readonly Slot[],
  attempts: number,
): void {
  if (slots.length === 0) return;
  for (const slot of slots) slot.state = 'decided';
  const recipients = slots.map((slot) => slot.recipient);
  state.actions.push({ type: 'returned', work: envelope.work, recipients, attempts });
}

function takeOut(list: Envelope[], envelope: Envelope): void {
  const at = list.indexOf(envelope);
  if (at >= 0) list.splice(at, 1);
}

export function undecided(envelope: Envelope): Envelope['slots'] {
  return envelope.slots.filter((slot) => slot.state !== 'decided');
}
