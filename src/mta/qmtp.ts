/**
 * mta/qmtp — one QMTP session as a pure state machine (cr.yp.to/proto/qmtp.txt).
 *
 * A message, its sender and its recipients are one package; the receiver says nothing before its last
 * byte, then one netstring per recipient: K taken, Z later, D never. Ten packages may be under way,
 * so that a round trip costs nothing.
 *
 * Promises: as session.ts: every recipient of every work gets one outcome or comes back, every work
 *           one `done`, whatever the receiver does. A package is written when its mark is durable,
 *           whole. A connection lost before all its answers leaves those without one `ambiguous`.
 * Never:    sends UTF-8 addresses: QMTP cannot say whether the receiver understands them.
 * See:      netstring.ts, session.ts (the same events and actions).
 */
import { NO_CAPABILITIES } from './capabilities.ts';
import { isSafe, needsUtf8 } from './command.ts';
import { plainBody } from './message.ts';
import { createNetstringParser, netstring, netstringHead } from './netstring.ts';
import type { NetstringParser } from './netstring.ts';
import type { LocalFailure } from './outcome.ts';
import { readable } from './reply.ts';
import type { Reply } from './reply.ts';
import type { Session, SessionEvent } from './session.ts';
import { resultOf } from './session-state.ts';
import type { Decision, SessionAction, SessionEnd, SessionOptions, Work } from './session-state.ts';
import type { TransactionRecipient } from './transaction.ts';

const MAX_UNDER_WAY = 10;
const MAX_REPLY_BYTES = 65_536;

interface Package {
  work: Work;
  startedAtMs: number;
  sentAtMs: number;
  /** Those without an outcome, in the order of the package. */
  open: TransactionRecipient[];
}

interface State {
  options: SessionOptions;
  phase: 'connecting' | 'open' | 'ended';
  nowMs: number;
  parser: NetstringParser;
  /** Their marks are awaited. */
  waiting: Package[];
  /** Written; answers come in this order. */
  sent: Package[];
  quitting: boolean;
  /** Of the answer that is awaited now. */
  deadlineMs: number | null;
  actions: SessionAction[];
}

/** Begins when the TCP connection is up; is told so by `connected`. */
export function createQmtpSession(options: SessionOptions): Session {
  const state: State = {
    options,
    phase: 'connecting',
    nowMs: 0,
    parser: createNetstringParser(MAX_REPLY_BYTES),
    waiting: [],
    sent: [],
    quitting: false,
    deadlineMs: null,
    actions: [],
  };
  return {
    handle(event, nowMs) {
      state.actions = [];
      state.nowMs = nowMs;
      if (state.phase === 'ended') returnLate(state, event);
      else onEvent(state, event);
      return state.actions;
    },
    demand() {
      const underWay = state.waiting.length + state.sent.length;
      if (state.phase !== 'open' || state.quitting || underWay >= MAX_UNDER_WAY) return 'none';
      return underWay === 0 ? 'now' : 'ahead';
    },
    deadlineMs: () => state.deadlineMs,
  };
}

function onEvent(state: State, event: SessionEvent): void {
  switch (event.type) {
    case 'connected':
      state.phase = 'open';
      state.actions.push({ type: 'ready', capabilities: NO_CAPABILITIES, tls: null });
      break;
    case 'work':
      onWork(state, event.work);
      break;
    case 'marked':
      onMark(state, event.work, event.durable);
      break;
    case 'bytes':
      onBytes(state, event.bytes);
      break;
    case 'timeout':
      end(state, { stage: 'dot', reply: null, failure: 'reply_timeout' });
      break;
    case 'closed':
      end(state, { stage: 'mail', reply: null, failure: 'connection_lost' });
      break;
    case 'quit':
      state.quitting = true;
      break;
    case 'tls':
    case 'tls_failed':
    case 'drained':
      break;
  }
  if (state.quitting && state.waiting.length + state.sent.length === 0) end(state, null);
}

/** A work that crossed the session's end goes straight back. */
function returnLate(state: State, event: SessionEvent): void {
  if (event.type !== 'work') return;
  const { work } = event;
  giveBack(state, work, work.recipients, work.attempts);
}

function onWork(state: State, work: Work): void {
  const one: Package = {
    work,
    startedAtMs: state.nowMs,
    sentAtMs: 0,
    open: [...work.recipients],
  };
  const { envelopeSender } = work.transaction;
  for (const recipient of work.recipients) {
    const texts = [envelopeSender, recipient.address];
    const failure: LocalFailure | null = !texts.every(isSafe)
      ? 'bad_address'
      : texts.some(needsUtf8)
        ? 'smtputf8_unsupported'
        : null;
    if (failure !== null) decide(state, one, recipient, { stage: 'rcpt', reply: null, failure });
  }
  if (one.open.length === 0) done(state, one, null);
  else state.waiting.push(one);
}

function onMark(state: State, work: Work, durable: boolean): void {
  const one = state.waiting.find((candidate) => candidate.work === work);
  if (one === undefined) return;
  state.waiting.splice(state.waiting.indexOf(one), 1);
  if (!durable) {
    decideAll(state, one, { stage: 'data', reply: null, failure: 'aborted' });
    done(state, one, null);
    return;
  }
  const { message, envelopeSender } = work.transaction;
  const recipients = one.open.map(({ address }) => netstring(address)).join('');
  const parts = [
    // The first byte says that lines end with CRLF.
    `${netstringHead(message.sizeBytes + 1)}\r`,
    ...plainBody(message).parts,
    `,${netstring(envelopeSender)}${netstring(recipients)}`,
  ];
  state.actions.push({ type: 'write', parts, drain: false });
  one.sentAtMs = state.nowMs;
  state.sent.push(one);
  if (state.sent.length === 1) awaitAnswer(state);
}

function awaitAnswer(state: State): void {
  state.deadlineMs = state.sent.length === 0 ? null : state.nowMs + state.options.timeouts.dotMs;
}

function onBytes(state: State, bytes: Uint8Array): void {
  for (const event of state.parser.push(bytes)) {
    const reply = event.type === 'garbage' ? null : parseAnswer(event.bytes);
    const one = state.sent[0];
    const recipient = one?.open[0];
    if (reply === null || one === undefined || recipient === undefined) {
      end(state, { stage: 'dot', reply: null, failure: 'protocol_error' });
      return;
    }
    const result = reply.code < 300 ? 'accepted' : resultOf(reply, null);
    decide(state, one, recipient, { stage: 'dot', reply, failure: null, result });
    if (one.open.length === 0) {
      state.sent.shift();
      done(state, one, state.nowMs - one.sentAtMs);
    }
    awaitAnswer(state);
  }
}

const CODES: Record<string, number> = { K: 250, Z: 451, D: 554 };

/** `Dno such user (#5.1.1)`; null when it is no answer. */
function parseAnswer(bytes: Buffer): Reply | null {
  const text = readable(bytes);
  const code = CODES[text.charAt(0)];
  if (code === undefined) return null;
  const enhanced = /\(#([245]\.\d{1,3}\.\d{1,3})\)/.exec(text)?.[1] ?? null;
  return { code, enhanced, text: text.slice(1) };
}

function decide(
  state: State,
  one: Package,
  recipient: TransactionRecipient,
  decision: Decision,
): void {
  one.open.splice(one.open.indexOf(recipient), 1);
  const { mxHost, mxAddress, sourceAddress } = state.options;
  const { stage, reply, failure } = decision;
  const result = decision.result ?? resultOf(reply, failure);
  state.actions.push({
    type: 'outcome',
    work: one.work,
    outcome: {
      mxHost,
      mxAddress,
      sourceAddress,
      tls: null,
      recipientId: recipient.id,
      result,
      stage,
      reply,
      failure,
      startedAt: new Date(one.startedAtMs),
      durationMs: Math.max(0, state.nowMs - one.startedAtMs),
    },
  });
}

function decideAll(state: State, one: Package, decision: Decision): void {
  for (const recipient of [...one.open]) decide(state, one, recipient, decision);
}

function done(state: State, one: Package, dotReplyMs: number | null): void {
  state.actions.push({ type: 'done', work: one.work, dotReplyMs });
}

function giveBack(
  state: State,
  work: Work,
  recipients: readonly TransactionRecipient[],
  attempts: number,
): void {
  state.actions.push({ type: 'returned', work, recipients, attempts });
  state.actions.push({ type: 'done', work, dotReplyMs: null });
}

function end(state: State, reason: SessionEnd | null): void {
  if (state.phase === 'ended') return;
  state.phase = 'ended';
  const failure = reason?.failure ?? 'connection_lost';
  for (const one of state.sent.splice(0)) {
    decideAll(state, one, { stage: 'dot', reply: null, failure, result: 'ambiguous' });
    done(state, one, null);
  }
  for (const one of state.waiting.splice(0)) {
    giveBack(state, one.work, one.open, one.work.attempts);
  }
  state.deadlineMs = null;
  state.actions.push({ type: 'end', end: reason });
}
