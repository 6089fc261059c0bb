/**
 * mta/exchange — transactions over an open session: MAIL, RCPT, DATA or BDAT, the dot.
 *
 * Pure. With PIPELINING a whole envelope is one write, and the next envelope travels behind the dot
 * of the message before it (RFC 2920 3.1), so a message costs one round trip. Without it, every
 * command waits for its reply.
 *
 * Promises: a dot (or BDAT LAST) is written only for recipients the receiver accepted, and only
 *           when the write-ahead mark is durable. DATA granted without a recipient is answered by a
 *           lone dot (RFC 2920 3.1), but never when the receiver holds a recipient we gave up: then
 *           the connection is dropped, so that nobody gets an empty message.
 *           Recipients over the receiver's limit (452 4.5.3, RFC 9422 RCPTMAX) come back for the
 *           next transaction, as long as each one gets somebody accepted. So does each by himself
 *           whose copy for many was refused for what one of them is (5.1.x, 5.2.x after DATA).
 * See:      envelope.ts, train.ts (several messages in a round trip), session.ts (what an ended
 *           session does to them).
 */
import { assertNever, invariant } from '../kernel/errors.ts';
import { bdatCommand } from './command.ts';
import {
  composeCommands,
  finish,
  giveBack,
  hasUndecided,
  leaveOverLimit,
  refuseUnsendable,
} from './envelope.ts';
import { cutBody, plainBody } from './message.ts';
import type { Reply } from './reply.ts';
import { act, decide, decideAll, expect, flush, stageOf, write } from './session-state.ts';
import type {
  Decision,
  Envelope,
  Expectation,
  SessionEnd,
  SessionState,
  Slot,
  Work,
} from './session-state.ts';
import { board, hearFarewell, isForTrain, learnFromReply, onTrainReply } from './train.ts';

/** A bigger message leaves in blocks, each one gone before the next is written. */
export const BLOCK_BYTES = 131_072;

/** Writes all that may be written now. */
export function advance(state: SessionState): void {
  for (let moved = true; moved && state.phase === 'open';) {
    if (state.current !== null) moved = step(state, state.current);
    else moved = beginQueued(state);
  }
}

function beginQueued(state: SessionState): boolean {
  const [envelope] = state.queued;
  if (envelope === undefined || state.farewell !== null) return false;
  const ahead = state.awaiting.length > 0;
  if (ahead && (!state.capabilities.pipelining || state.aheadRefused)) return false;
  if (isForTrain(state, envelope)) return board(state, envelope);
  envelope.ahead = ahead;
  state.queued.shift();
  state.current = envelope;
  envelope.startedAtMs = state.nowMs;
  envelope.startedIdleMs = state.idleMs;
  refuseUnsendable(state, envelope);
  leaveOverLimit(state, envelope);
  if (hasUndecided(envelope)) envelope.unsent = composeCommands(state, envelope);
  return true;
}

/** One step of the current envelope; false when it has to wait. */
function step(state: SessionState, envelope: Envelope): boolean {
  switch (envelope.phase) {
    case 'commands':
      return stepCommands(state, envelope);
    case 'go':
      if (envelope.mark === 'waiting') return false;
      if (envelope.mark === 'failed') {
        state.needsReset = true;
        finish(state, envelope, null);
        return true;
      }
      envelope.phase = 'body';
      return writeBody(state, envelope);
    case 'body':
      return !state.awaitingDrain && writeBody(state, envelope);
    default:
      return assertNever(envelope.phase);
  }
}

function stepCommands(state: SessionState, envelope: Envelope): boolean {
  if (!hasUndecided(envelope)) envelope.unsent = [];
  if (envelope.unsent.length > 0) {
    if (!state.capabilities.pipelining && state.expected.length > 0) return false;
    const group = state.capabilities.pipelining ? envelope.unsent.length : 1;
    const commands = envelope.unsent.splice(0, group);
    write(state, commands.map((command) => command.line).join(''));
    for (const command of commands) expect(state, command.expect);
    return false;
  }
  if (envelope.outstanding > 0) return false;
  if (envelope.slots.some((slot) => slot.state === 'accepted')) {
    envelope.phase = 'go';
    return true;
  }
  state.needsReset ||= envelope.mailAccepted;
  finish(state, envelope, null);
  return true;
}

function writeBody(state: SessionState, envelope: Envelope): boolean {
  const body = envelope.stuffed ?? plainBody(envelope.work.transaction.message);
  const from = envelope.bodyOffset;
  if (from === 0 && envelope.stuffed === null) write(state, bdatCommand(body.sizeBytes));
  const to = Math.min(from + BLOCK_BYTES, body.sizeBytes);
  for (const part of cutBody(body, from, to)) write(state, part);
  envelope.bodyOffset = to;
  if (to < body.sizeBytes) {
    flush(state, true);
    return false;
  }
  if (body.end !== '') write(state, body.end);
  invariant(state.awaiting.length === 0, 'a dot is written while another waits for its reply');
  state.current = null;
  state.awaiting.push(envelope);
  envelope.dotAtMs = state.nowMs;
  for (const slot of answered(state, envelope)) expect(state, { kind: 'dot', envelope, slot });
  return true;
}

/** Who each reply to the dot is for: one for all, or in LMTP one for every recipient accepted. */
function answered(state: SessionState, envelope: Envelope): readonly (Slot | null)[] {
  if (state.options.protocol !== 'lmtp') return [null];
  return envelope.slots.filter((slot) => slot.state === 'accepted');
}

export type ExchangeExpectation = Extract<Expectation, { envelope: Envelope }>;

/** Answers with the reason to end the session, or null to go on. */
export function onExchangeReply(
  state: SessionState,
  expectation: ExchangeExpectation,
  reply: Reply,
): SessionEnd | null {
  const { kind, envelope } = expectation;
  envelope.outstanding -= 1;
  learnFromReply(state, expectation, reply);
  if (envelope.inTrain) return onTrainReply(state, expectation, reply);
  const stage = stageOf(kind);
  if (reply.code === 421 && kind !== 'dot') return { stage, reply, failure: null };
  const strange: SessionEnd = { stage, reply: null, failure: 'protocol_error' };
  const intermediate = reply.code >= 300 && reply.code < 400;
  if (intermediate && !(kind === 'data' && reply.code === 354)) return strange;
  const positive = reply.code < 300;
  if (envelope.ahead && reply.code === 503 && (kind === 'rset' || kind === 'mail')) {
    refuseAhead(state, envelope, kind);
    return null;
  }

  switch (kind) {
    case 'rset':
      return positive ? null : strange;
    case 'mail':
      envelope.mailAccepted = positive;
      if (!positive) decideAll(state, envelope, 'open', { stage, reply, failure: null });
      return null;
    case 'rcpt':
      onRcpt(state, envelope, expectation.slot, reply);
      return null;
    case 'data':
      return positive ? strange : onData(state, envelope, reply);
    case 'dot':
      onDot(state, envelope, expectation.slot, reply);
      return reply.code === 421 && envelope.outstanding === 0
        ? hearFarewell(state, envelope, { stage, reply, failure: null })
        : null;
    case 'lone_dot':
      finish(state, envelope, null);
      return null;
    default:
      return assertNever(kind);
  }
}

/**
 * Haraka offers PIPELINING and answers 503 to what comes behind a dot, though RFC 2920 3.1 allows it,
 * because of SMTP smuggling. Nothing is wrong with the recipients: they are sent again, after the dot
 * was answered. The 503s to RCPT and DATA find nobody left to decide.
 */
function refuseAhead(state: SessionState, envelope: Envelope, kind: 'rset' | 'mail'): void {
  state.aheadRefused = true;
  if (kind === 'rset') state.needsReset = true;
  const open = envelope.slots.filter((slot) => slot.state === 'open');
  giveBack(state, envelope, open, envelope.work.attempts);
}

function onRcpt(state: SessionState, envelope: Envelope, slot: Slot, reply: Reply): void {
  if (reply.code < 300) {
    envelope.rcptAccepted += 1;
    if (slot.state === 'open') slot.state = 'accepted';
  } else if (slot.state === 'open' && envelope.rcptAccepted > 0 && saysTooMany(reply)) {
    slot.state = 'left_over';
    // Those refused count too: many receivers count commands, and k may only be learned too large.
    const taken = envelope.slots.filter((one) => one.state !== 'open' && one.state !== 'left_over');
    if (state.maxRecipients === null || taken.length < state.maxRecipients) {
      state.maxRecipients = taken.length;
      act(state, { type: 'learned', maxRecipients: taken.length });
    }
  } else if (slot.state === 'open' && state.capabilities.pipelining && envelope.stuffed !== null) {
    slot.state = 'refused';
    slot.refusal = reply;
  } else {
    decide(state, envelope, slot, { stage: 'rcpt', reply, failure: null });
  }
}

/**
 * DATA was written together with the RCPTs, and its answer shows that no reply before it was left out
 * or said twice: only then is it sure whom each refusal was for. A receiver that closes instead is
 * believed: many do after a refusal.
 */
export function believeRefusals(state: SessionState, envelope: Envelope): void {
  for (const slot of envelope.slots) {
    if (slot.state !== 'refused') continue;
    decide(state, envelope, slot, { stage: 'rcpt', reply: slot.refusal ?? null, failure: null });
  }
}

/** RFC 5321 4.5.3.1.10: 452, formerly 552. Both also mean a full mailbox or disk: the words count. */
function saysTooMany(reply: Reply): boolean {
  if (reply.enhanced !== null && /^[45]\.5\.3$/.test(reply.enhanced)) return true;
  return (
    (reply.code === 452 || reply.code === 552 || reply.code === 451) &&
    /too many (recipients|rcpts?)|recipient limit/i.test(reply.text)
  );
}

function onData(state: SessionState, envelope: Envelope, reply: Reply): SessionEnd | null {
  believeRefusals(state, envelope);
  if (reply.code !== 354) {
    decideOrSplit(state, envelope, { stage: 'data', reply, failure: null });
    state.needsReset ||= envelope.mailAccepted;
    finish(state, envelope, null);
    return null;
  }
  if (envelope.slots.some((slot) => slot.state === 'accepted')) {
    envelope.phase = 'go';
    return null;
  }
  if (envelope.rcptAccepted > 0) return { stage: 'data', reply: null, failure: 'aborted' };
  // RFC 2033 4.2: DATA without a recipient is refused; nobody knows how many replies a dot would get.
  if (state.options.protocol === 'lmtp') {
    return { stage: 'data', reply: null, failure: 'protocol_error' };
  }
  write(state, '.\r\n');
  expect(state, { kind: 'lone_dot', envelope });
  return null;
}

function onDot(state: SessionState, envelope: Envelope, slot: Slot | null, reply: Reply): void {
  const decision: Decision = {
    stage: 'dot',
    reply,
    failure: null,
    ...(reply.code < 300 ? { result: 'accepted' } : {}),
  };
  if (slot === null) decideOrSplit(state, envelope, decision);
  else decide(state, envelope, slot, decision);
  if (envelope.outstanding > 0) return;
  state.completed += 1;
  finish(state, envelope, state.nowMs - envelope.dotAtMs);
}

/**
 * One answer for all. That a mailbox does not exist, or is disabled or full, can be true of one of
 * them only, and nobody knows of whom: each goes again by himself, and gets an answer of his own.
 */
function decideOrSplit(state: SessionState, envelope: Envelope, decision: Decision): void {
  const taken = envelope.slots.filter((slot) => slot.state === 'accepted');
  if (taken.length > 1 && isAboutSomebody(decision.reply)) {
    for (const slot of taken) giveBack(state, envelope, [slot], envelope.work.attempts);
    return;
  }
  const shared = taken.length > 1 ? { shared: true as const } : {};
  decideAll(state, envelope, 'accepted', { ...decision, ...shared });
}

/** RFC 3463 3.2 and 3.3: the recipient's address (5.1.7 and 5.1.8 are the sender's), his mailbox. */
function isAboutSomebody(reply: Reply | null): boolean {
  if (reply === null || reply.code < 500) return false;
  return /^5\.(?:1\.(?:[0-6]|10)|2\.\d+)$/.test(reply.enhanced ?? '');
}

/** The write-ahead mark of a work was made, or failed. */
export function onMark(state: SessionState, work: Work, durable: boolean): SessionEnd | null {
  const envelope = [state.current, ...state.queued].find((one) => one?.work === work);
  if (envelope === undefined || envelope === null) return null;
  envelope.mark = durable ? 'durable' : 'failed';
  if (durable) return null;
  const decision = { stage: 'data', reply: null, failure: 'aborted' } as const;
  for (const which of ['open', 'accepted', 'refused', 'left_over'] as const) {
    decideAll(state, envelope, which, decision);
  }
  if (state.queued.includes(envelope)) finish(state, envelope, null);
  const granted = envelope.phase === 'go' && envelope.stuffed !== null;
  return granted ? decision : null;
}
