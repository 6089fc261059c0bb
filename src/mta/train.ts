/**
 * mta/train — several messages in one round trip: MAIL, RCPT, BDAT LAST and the message itself are
 * written at once, one message behind the other (RFC 2920 3.1, RFC 3030 2), without waiting for a reply.
 *
 * Pure. Only for messages to one recipient, below BLOCK_BYTES, over SMTP with CHUNKING and PIPELINING.
 *
 * Promises: a message is written when its write-ahead mark is durable, not before. Each but the first
 *           begins with RSET, because a refused recipient may leave the transaction before it open:
 *           without it the next MAIL would be refused and its message go out under the sender of the
 *           one before. A refused MAIL or RCPT decides its own message only, when its BDAT is answered
 *           too; a MAIL refused whose RCPT is accepted is no answer to what was asked, and ends the
 *           session. So does 500 or 502, as said by one who reads a message as commands.
 *           After a lost link all messages on the wire are `ambiguous` whose recipient was not refused.
 *           After a 421 the receiver has said that it closes: those behind it come back when it has
 *           closed without one more reply, and are ambiguous when it had gone on.
 * Why:      a message a round trip is 10 a second and connection at 100 ms. The price is that a broken
 *           link leaves up to `maxInTrain` messages in doubt instead of one. So a train is used only
 *           where a round trip is long (not where this process is slow), BDAT was seen to work on this
 *           session, and the receiver spoke within the last second (an idle connection may be closed
 *           already); and not for a day at a site where one was lost (host-memory.ts).
 * Measured: `npm run bench -- smtp-client --rtt 100` (bench/RESULTS.md).
 */
import { assertNever } from '../kernel/errors.ts';
import { bdatCommand } from './command.ts';
import {
  composeCommands,
  finish,
  giveBack,
  hasUndecided,
  refuseUnsendable,
  undecided,
} from './envelope.ts';
import { plainBody } from './message.ts';
import type { Stage } from './outcome.ts';
import type { Reply } from './reply.ts';
import { decide, decideAll, expect, mayGoAgain, stageOf, write } from './session-state.ts';
import type { Envelope, Expectation, SessionEnd, SessionState } from './session-state.ts';

/** Below it a connection without trains already carries 50 messages a second. */
const MIN_ROUND_TRIP_MS = 20;
/** Receivers close idle connections; a train into a closed one would be lost as a whole. */
const MAX_QUIET_MS = 1_000;
const MAX_MESSAGE_BYTES = 131_072;
const MAX_TRAIN_BYTES = 1_048_576;

type TrainExpectation = Extract<Expectation, { envelope: Envelope }>;

/** This session may have several messages on the wire. */
export function mayFormTrain(state: SessionState): boolean {
  const { chunking, pipelining } = state.capabilities;
  return (
    state.maxInTrain > 1 &&
    state.options.protocol === 'smtp' &&
    chunking &&
    pipelining &&
    !state.aheadRefused &&
    state.bdatTaken &&
    (state.roundTripMs ?? 0) >= MIN_ROUND_TRIP_MS
  );
}

/** There is room for one more, sent or waiting to be. */
export function hasRoomInTrain(state: SessionState): boolean {
  const { awaiting, queued, maxInTrain } = state;
  const waiting = [...awaiting, ...queued];
  return waiting.length < maxInTrain && bytesOf(waiting) < MAX_TRAIN_BYTES;
}

function bytesOf(envelopes: readonly Envelope[]): number {
  return envelopes.reduce((sum, { work }) => sum + work.transaction.message.sizeBytes, 0);
}

export function isForTrain(state: SessionState, { work, slots, stuffed }: Envelope): boolean {
  if (!mayFormTrain(state) || stuffed !== null || slots.length !== 1) return false;
  // A transaction we gave up may hold recipients: RSET is answered before a message is written.
  if (state.needsReset) return false;
  if (work.transaction.message.sizeBytes > MAX_MESSAGE_BYTES) return false;
  return state.awaiting.length > 0 || state.nowMs - state.heardAtMs <= MAX_QUIET_MS;
}

/** Writes the first one queued; false when it has to wait for its mark or for room. */
export function board(state: SessionState, envelope: Envelope): boolean {
  const { awaiting, queued, maxInTrain } = state;
  const { message } = envelope.work.transaction;
  if (envelope.mark !== 'durable' || awaiting.length >= maxInTrain) return false;
  if (bytesOf(awaiting) + message.sizeBytes > MAX_TRAIN_BYTES) return false;
  queued.shift();
  envelope.startedAtMs = state.nowMs;
  envelope.startedIdleMs = state.idleMs;
  refuseUnsendable(state, envelope);
  const [slot] = envelope.slots;
  if (slot === undefined || !hasUndecided(envelope)) {
    finish(state, envelope, null);
    return true;
  }
  envelope.ahead = awaiting.length > 0;
  envelope.inTrain = true;
  for (const command of composeCommands(state, envelope)) {
    write(state, command.line);
    expect(state, command.expect);
  }
  write(state, bdatCommand(message.sizeBytes));
  for (const part of plainBody(message).parts) write(state, part);
  expect(state, { kind: 'dot', envelope, slot: null });
  envelope.dotAtMs = state.nowMs;
  awaiting.push(envelope);
  return true;
}

/** What every reply to an envelope tells of the line and the receiver. */
export function learnFromReply(
  state: SessionState,
  { kind, envelope }: TrainExpectation,
  reply: Reply,
): void {
  state.heardAtMs = state.nowMs;
  // Nothing was on the wire before it: what was waited for is the line, and the receiver at MAIL.
  if (kind === 'mail' && !envelope.ahead) {
    const idleMs = state.idleMs - envelope.startedIdleMs;
    // Busy for most of it we cannot know when the answer came: that says nothing of the line.
    const isTold = idleMs * 2 >= state.nowMs - envelope.startedAtMs;
    if (isTold) state.roundTripMs = Math.min(idleMs, state.roundTripMs ?? Infinity);
  }
  if (kind === 'dot' && envelope.stuffed === null && reply.code < 300) state.bdatTaken = true;
  const { farewell } = state;
  if (farewell === null) return;
  // What a refused message is answered besides says nothing about those behind it.
  const isRefused = farewell.of === envelope && envelope.refusal !== null;
  if (!isRefused) farewell.silent = false;
}

/** Answers with the reason to end the session, or null to go on. */
export function onTrainReply(
  state: SessionState,
  expectation: TrainExpectation,
  reply: Reply,
): SessionEnd | null {
  const { kind, envelope } = expectation;
  const stage = stageOf(kind);
  if (!read(state, expectation, reply)) return { stage, reply: null, failure: 'protocol_error' };
  if (reply.code === 421) return hearFarewell(state, envelope, { stage, reply, failure: null });
  return state.farewell !== null && state.awaiting.length === 0 ? state.farewell.end : null;
}

/** False for what no honest receiver would say. */
function read(state: SessionState, expectation: TrainExpectation, reply: Reply): boolean {
  const { kind, envelope } = expectation;
  const { code } = reply;
  if (code >= 300 && code < 400) return false;
  // One who reads a message that it refused as commands.
  if (kind !== 'dot' && (code === 500 || code === 502)) return false;
  const positive = code < 300;
  switch (kind) {
    case 'rset':
      if (code === 503) refuse(state, envelope, 'mail', reply);
      return positive || code === 503 || code === 421;
    case 'mail':
      envelope.mailAccepted = positive;
      if (!positive) refuse(state, envelope, 'mail', reply);
      return true;
    case 'rcpt':
      if (!positive) envelope.refusal ??= { stage: 'rcpt', reply, failure: null };
      else if (envelope.refusal === null) expectation.slot.state = 'accepted';
      else envelope.refusal = null;
      return !positive || expectation.slot.state === 'accepted';
    case 'dot':
      onBdat(state, envelope, reply);
      return true;
    case 'data':
    case 'lone_dot':
      return false;
    default:
      return assertNever(kind);
  }
}

/** 503 behind another message: as in `refuseAhead` of exchange.ts, the message is not to blame. */
function refuse(state: SessionState, envelope: Envelope, stage: Stage, reply: Reply): void {
  const again = envelope.ahead && reply.code === 503;
  if (again) state.aheadRefused = true;
  envelope.refusal ??= again ? 'again' : { stage, reply, failure: null };
}

function onBdat(state: SessionState, envelope: Envelope, reply: Reply): void {
  const { refusal, work } = envelope;
  if (refusal === null) {
    const taken = reply.code < 300 ? ({ result: 'accepted' } as const) : {};
    decideAll(state, envelope, 'accepted', { stage: 'dot', reply, failure: null, ...taken });
    state.completed += 1;
    finish(state, envelope, state.nowMs - envelope.dotAtMs);
    return;
  }
  // Whatever was written behind it begins with RSET.
  const isLast = state.awaiting.length === 1 && state.current === null;
  state.needsReset ||= isLast;
  if (refusal === 'again') giveBack(state, envelope, undecided(envelope), work.attempts);
  else decideAll(state, envelope, 'open', refusal);
  finish(state, envelope, null);
}

/**
 * 421: the receiver closes, or goes on. `end` at once when nothing is open that it could still take:
 * 421 to RSET refuses no message yet.
 */
export function hearFarewell(
  state: SessionState,
  of: Envelope,
  end: SessionEnd,
): SessionEnd | null {
  if (state.awaiting.every((envelope) => envelope === of && of.refusal !== null)) return end;
  state.farewell = { end, of, silent: true };
  for (const envelope of [...state.queued]) {
    giveBack(state, envelope, undecided(envelope), envelope.work.attempts);
    finish(state, envelope, null);
  }
  return null;
}

/** What the end of the session means for a message whose BDAT was written. */
export function settleInTrain(state: SessionState, envelope: Envelope, reason: SessionEnd): void {
  const { refusal, work } = envelope;
  const { attempts } = work;
  const isWorn = state.completed > 0 && mayGoAgain(work);
  const isSilent = state.farewell?.silent === true && reason === state.farewell.end;
  const told = isSilent && state.farewell?.of === envelope ? state.farewell.end : null;
  if (refusal === 'again') giveBack(state, envelope, undecided(envelope), attempts);
  else if ((told ?? refusal)?.reply?.code === 421 && isWorn) {
    giveBack(state, envelope, undecided(envelope), attempts + 1);
  } else if (refusal !== null) decideAll(state, envelope, 'open', refusal);
  else if (told !== null) decideAll(state, envelope, 'open', told);
  else if (isSilent) giveBack(state, envelope, undecided(envelope), attempts);
  else {
    const failure = reason.failure ?? 'connection_lost';
    for (const slot of envelope.slots) {
      decide(state, envelope, slot, { stage: 'dot', reply: null, failure, result: 'ambiguous' });
    }
  }
  finish(state, envelope, null);
}
