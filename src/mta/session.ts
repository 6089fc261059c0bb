/**
 * mta/session — one SMTP session as a pure state machine: events in, actions out.
 *
 * connection.ts feeds it bytes and clock readings and does what it says; nothing here reads a clock
 * or touches a socket.
 *
 * Promises: every recipient of every work given gets exactly one outcome or comes back in a
 *           `returned` action, and every work gets one `done`, whatever the receiver does. No reply
 *           can be taken for the answer to another command without DATA noticing: 354 is the only
 *           answer that lets a message go, and nothing else is answered by 354. (With BDAT a reply too
 *           many is noticed when the session has nothing left to wait for.)
 *           A lost connection, silence or garbage after the dot is `ambiguous`; before the dot it
 *           is `deferred`, or `returned` when the connection had served a message before (receivers
 *           end connections after as many messages as they like).
 * Fails:    by the action `end`, always the last one.
 * See:      handshake.ts, exchange.ts, train.ts, session-state.ts.
 */
import { assertNever } from '../kernel/errors.ts';
import { finish, giveBack, makeEnvelope, undecided } from './envelope.ts';
import { advance, believeRefusals, onExchangeReply, onMark } from './exchange.ts';
import { onConnected, onHandshakeReply, onTls } from './handshake.ts';
import type { LocalFailure, Stage } from './outcome.ts';
import type { Reply, ReplyEvent } from './reply.ts';
import {
  act,
  decideAll,
  expect,
  flush,
  initialState,
  mayGoAgain,
  stageOf,
  write,
} from './session-state.ts';
import type {
  Envelope,
  Expectation,
  SessionAction,
  SessionEnd,
  SessionOptions,
  SessionState,
  Work,
} from './session-state.ts';
import type { Timeouts } from './timeouts.ts';
import { hasRoomInTrain, mayFormTrain, settleInTrain } from './train.ts';
import { tlsProblem } from './tls/problem.ts';
import type { Secured, TlsProblem } from './tls/problem.ts';

export type { SessionAction, SessionEnd, SessionOptions, TlsMode, Work } from './session-state.ts';

export type SessionEvent =
  /** The connection is up. The first event. */
  | { type: 'connected' }
  | { type: 'bytes'; bytes: Uint8Array }
  /** TLS is up. */
  | { type: 'tls'; secured: Secured }
  | { type: 'tls_failed'; problem: TlsProblem }
  /**
   * Only when `demand()` asks for one. `maxRecipients`: what other sessions learned. `maxInTrain`: how
   * many messages may be on the wire at one time, one when absent.
   */
  | { type: 'work'; work: Work; maxRecipients: number | null; maxInTrain?: number }
  | { type: 'marked'; work: Work; durable: boolean }
  /** A write with `drain` has left. */
  | { type: 'drained' }
  | { type: 'timeout' }
  | { type: 'closed' }
  /** End politely as soon as nothing is under way. */
  | { type: 'quit' };

/** now: idle, give a work. ahead: one can be given while another is on the wire. */
export type Demand = 'none' | 'now' | 'ahead';

export interface Session {
  /** `idleMs`: for how long this process has had nothing to do (kernel/clock.ts); as the clock when absent. */
  handle(event: SessionEvent, nowMs: number, idleMs?: number): readonly SessionAction[];
  demand(): Demand;
  /** When the event `timeout` is due; null: the session waits for nobody. */
  deadlineMs(): number | null;
}

const TIMEOUT_OF: Record<Expectation['kind'], keyof Timeouts> = {
  greeting: 'greetingMs',
  ehlo: 'ehloMs',
  helo: 'ehloMs',
  starttls: 'startTlsMs',
  auth: 'authMs',
  rset: 'rsetMs',
  mail: 'mailMs',
  rcpt: 'rcptMs',
  data: 'dataMs',
  dot: 'dotMs',
  lone_dot: 'dotMs',
  quit: 'quitMs',
};

/** Begins when the TCP connection is up. */
export function createSession(options: SessionOptions, nowMs: number): Session {
  const state = initialState(options, nowMs);
  updateDeadline(state);
  return {
    handle(event, atMs, idleMs = atMs) {
      if (state.phase === 'ended') return lateEvent(event);
      state.nowMs = atMs;
      state.idleMs = idleMs;
      state.actions = [];
      onEvent(state, event);
      advance(state);
      quitWhenIdle(state);
      flush(state);
      updateDeadline(state);
      return state.actions;
    },
    demand: () => demandOf(state),
    deadlineMs: () => state.deadlineMs,
  };
}

/** A work that crossed the session's end goes straight back. */
function lateEvent(event: SessionEvent): readonly SessionAction[] {
  if (event.type !== 'work') return [];
  const { work } = event;
  return [
    { type: 'returned', work, recipients: work.recipients, attempts: work.attempts },
    { type: 'done', work, dotReplyMs: null },
  ];
}

function onEvent(state: SessionState, event: SessionEvent): void {
  switch (event.type) {
    case 'connected':
      onConnected(state);
      return;
    case 'bytes':
      onBytes(state, event.bytes);
      return;
    case 'tls':
      endFor(state, onTls(state, event.secured));
      return;
    case 'tls_failed':
      end(state, tlsEnd(event.problem));
      return;
    case 'work':
      state.maxInTrain = event.maxInTrain ?? 1;
      onWork(state, event.work, event.maxRecipients);
      return;
    case 'marked':
      endFor(state, onMark(state, event.work, event.durable));
      return;
    case 'drained':
      state.awaitingDrain = false;
      return;
    case 'timeout':
      onTimeout(state);
      return;
    case 'closed':
      onClosed(state);
      return;
    case 'quit':
      state.quitting = true;
      if (state.phase !== 'open' && state.phase !== 'quitting') end(state, null);
      return;
    default:
      return assertNever(event);
  }
}

function onBytes(state: SessionState, bytes: Uint8Array): void {
  const { parser } = state;
  const events = parser.push(bytes);
  // A reply that comes in one piece with the one before answers nothing that is only asked now.
  const due = state.expected.length;
  let told = 0;
  for (const event of events) {
    if (isEnded(state)) return;
    told += 1;
    onReplyEvent(state, event, told <= due);
    // Whatever follows the go-ahead for TLS in clear was put there by somebody in the middle.
    const more = told < events.length || parser.isMidReply();
    if (state.phase === 'tls' && more) {
      end(state, tlsEnd(tlsProblem('validation-failure', 'text in clear after the go-ahead')));
      return;
    }
  }
}

function isEnded(state: SessionState): boolean {
  return state.phase === 'ended';
}

function onReplyEvent(state: SessionState, event: ReplyEvent, isDue: boolean): void {
  if (state.phase === 'quitting') {
    end(state, null);
    return;
  }
  if (event.type === 'garbage') {
    endHere(state, 'protocol_error');
    return;
  }
  const { reply, lines } = event;
  const expectation = isDue ? state.expected.shift() : undefined;
  if (expectation === undefined) {
    onUnexpected(state, reply);
    return;
  }
  switch (expectation.kind) {
    case 'greeting':
    case 'ehlo':
    case 'helo':
    case 'starttls':
    case 'auth':
      endFor(state, onHandshakeReply(state, expectation.kind, reply, lines));
      return;
    case 'quit':
      end(state, null);
      return;
    case 'rset':
    case 'mail':
    case 'rcpt':
    case 'data':
    case 'dot':
    case 'lone_dot':
      endFor(state, onExchangeReply(state, expectation, reply));
      return;
    default:
      return assertNever(expectation);
  }
}

/** A reply to nothing. After it no reply could be trusted to answer what we ask next. */
function onUnexpected(state: SessionState, reply: Reply): void {
  if (reply.code < 400) {
    endHere(state, 'protocol_error');
    return;
  }
  end(state, { stage: stageNow(state), reply, failure: null });
}

function onWork(state: SessionState, work: Work, maxRecipients: number | null): void {
  const envelope = makeEnvelope(state, work);
  if (demandOf(state) === 'none') {
    giveBack(state, envelope, envelope.slots, work.attempts);
    finish(state, envelope, null);
    return;
  }
  state.maxRecipients = maxRecipients;
  state.queued.push(envelope);
}

function onTimeout(state: SessionState): void {
  if (state.phase === 'quitting') end(state, null);
  else if (state.phase === 'tls') end(state, tlsEnd(TOO_SLOW));
  else if (state.expected.length > 0 || state.awaitingDrain) endHere(state, 'reply_timeout');
  else if (isWaitingForMark(state)) endHere(state, 'aborted');
}

function isWaitingForMark(state: SessionState): boolean {
  return state.current !== null || state.queued.length > 0;
}

function onClosed(state: SessionState): void {
  const handshaken = state.tls !== null && (state.phase === 'ehlo' || state.phase === 'helo');
  if (state.phase === 'quitting') end(state, null);
  // TLS 1.3 lets a receiver refuse after our side is done: that too is broken TLS.
  else if (state.phase === 'tls' || handshaken) {
    end(state, tlsEnd(HUNG_UP));
  } else if (state.farewell !== null) end(state, state.farewell.end);
  else endHere(state, 'connection_lost');
}

const TOO_SLOW = tlsProblem('validation-failure', 'the TLS handshake took too long');
const HUNG_UP = tlsProblem('validation-failure', 'the host hung up in the TLS handshake');

function tlsEnd(problem: TlsProblem): SessionEnd {
  return { stage: 'starttls', reply: null, failure: 'tls_failed', tlsProblem: problem };
}

function endHere(state: SessionState, failure: LocalFailure): void {
  end(state, { stage: stageNow(state), reply: null, failure });
}

function endFor(state: SessionState, reason: SessionEnd | null): void {
  if (reason !== null) end(state, reason);
}

function stageNow(state: SessionState): Stage {
  if (state.phase === 'tls') return 'starttls';
  const head = state.expected[0];
  if (head !== undefined) return stageOf(head.kind);
  return state.current === null ? 'mail' : 'data';
}

function end(state: SessionState, reason: SessionEnd | null): void {
  if (state.phase === 'ended') return;
  state.phase = 'ended';
  state.pending = [];
  settle(state, reason ?? { stage: 'mail', reply: null, failure: 'aborted' });
  state.expected = [];
  act(state, { type: 'end', end: reason });
}

/** What the end of the session means for the works on it. */
function settle(state: SessionState, reason: SessionEnd): void {
  const { current } = state;
  const innocent = state.awaiting.length > 0;
  for (const envelope of [...state.awaiting]) {
    if (envelope.inTrain) settleInTrain(state, envelope, reason);
    else settleAwaiting(state, envelope, reason);
  }
  if (current !== null) settleCurrent(state, current, reason, innocent);
  for (const envelope of [...state.queued]) {
    giveBack(state, envelope, undecided(envelope), envelope.work.attempts);
    finish(state, envelope, null);
  }
}

function settleAwaiting(state: SessionState, awaiting: Envelope, reason: SessionEnd): void {
  const failure = reason.failure ?? 'connection_lost';
  const decision = { stage: 'dot', reply: null, failure, result: 'ambiguous' } as const;
  decideAll(state, awaiting, 'accepted', decision);
  finish(state, awaiting, null);
}

/** Its dot is not written. `innocent`: the session broke over the message before it. */
function settleCurrent(
  state: SessionState,
  current: Envelope,
  reason: SessionEnd,
  innocent: boolean,
): void {
  // Out of step, nobody knows whom they were for.
  if (reason.failure !== 'protocol_error') believeRefusals(state, current);
  const worn = state.completed > 0 && (isLost(reason) || reason.reply?.code === 421);
  if ((innocent || worn) && mayGoAgain(current.work) && current.mark !== 'failed') {
    giveBack(state, current, undecided(current), current.work.attempts + 1);
  }
  const own = state.expected.find((one) => 'envelope' in one && one.envelope === current);
  const stage = innocent && own !== undefined ? stageOf(own.kind) : reason.stage;
  const decision = { ...reason, stage };
  for (const which of ['open', 'accepted', 'refused'] as const) {
    decideAll(state, current, which, decision);
  }
  finish(state, current, null);
}

function isLost(reason: SessionEnd): boolean {
  return reason.failure === 'connection_lost';
}

function demandOf(state: SessionState): Demand {
  const { current, awaiting, queued } = state;
  if (state.phase !== 'open' || state.quitting || state.farewell !== null) return 'none';
  if (current === null && awaiting.length + queued.length === 0) return 'now';
  if (!state.capabilities.pipelining || state.aheadRefused) return 'none';
  if (queued.length === 0) return 'ahead';
  return current === null && mayFormTrain(state) && hasRoomInTrain(state) ? 'ahead' : 'none';
}

function quitWhenIdle(state: SessionState): void {
  const busy = state.current !== null || state.awaiting.length + state.queued.length > 0;
  if (!state.quitting || state.phase !== 'open' || busy) return;
  write(state, 'QUIT\r\n');
  expect(state, { kind: 'quit' });
  state.phase = 'quitting';
}

/** A new wait begins a new timeout; more bytes of the same wait do not prolong it. */
function updateDeadline(state: SessionState): void {
  const timed = waitedFor(state);
  if (timed === state.timed) return;
  state.timed = timed;
  state.deadlineMs = timed === null ? null : state.nowMs + patienceMs(state);
}

/** What the timeout is for: it is the same as long as the wait is. */
function waitedFor(state: SessionState): unknown {
  if (state.phase === 'ended') return null;
  const head = state.expected[0];
  if (head !== undefined) return head;
  if (state.phase === 'tls') return 'tls';
  return state.current === null ? (state.queued[0] ?? null) : state.current.bodyOffset + 1;
}

function patienceMs({ phase, expected, options: { timeouts } }: SessionState): number {
  const head = expected[0];
  if (head !== undefined) return timeouts[TIMEOUT_OF[head.kind]];
  return phase === 'tls' ? timeouts.tlsMs : timeouts.blockMs;
}
