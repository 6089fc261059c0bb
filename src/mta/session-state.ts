/**
 * mta/session-state — what one SMTP session remembers, and the few moves all its parts make.
 *
 * Pure: nothing here reads a clock or touches a socket. handshake.ts brings a session from the
 * greeting to `open`; exchange.ts sends transactions over it; session.ts is the door.
 *
 * Promises: replies are answers to commands in the order the commands were written: `expected` is
 *           that order. Bytes to write are collected and leave as one action, so that a pipelined
 *           group is one write.
 */
import type { AuthExchange } from './auth.ts';
import { NO_CAPABILITIES } from './capabilities.ts';
import type { Capabilities } from './capabilities.ts';
import { describeFailure } from './failure.ts';
import type { WireBody } from './message.ts';
import type { LocalFailure, RecipientOutcome, Result, SessionFacts, Stage } from './outcome.ts';
import { createReplyParser } from './reply.ts';
import type { Reply, ReplyParser } from './reply.ts';
import type { Timeouts } from './timeouts.ts';
import type { TlsPolicyName } from './tls/policies.ts';
import type { Secured, TlsProblem } from './tls/problem.ts';
import type { Transaction, TransactionRecipient } from './transaction.ts';
import type { Login } from './transport.ts';

/** A transaction, or what is left of one, to be sent in one MAIL / RCPT... / DATA. */
export interface Work {
  readonly transaction: Transaction;
  readonly recipients: readonly TransactionRecipient[];
  /** How often it was begun on a connection that then broke before the dot. */
  readonly attempts: number;
}

/**
 * How often one message may go down with a connection that had served others. Receivers that take one
 * message a connection, and do not say so, end two at least before that is known (site.ts `learnWear`);
 * the bound is for a message that itself makes a receiver hang up.
 */
const MAX_TAKEN_DOWN = 3;

export function mayGoAgain({ attempts }: Work): boolean {
  return attempts < MAX_TAKEN_DOWN;
}

/**
 * `none`: not asked for, or known to be broken at this host. `opportunistic`: used when offered.
 * `required`: no mail without it. `verified`: nor without a certificate for the host's name.
 */
export type TlsMode = 'none' | 'opportunistic' | 'required' | 'verified';

export interface SessionOptions {
  /** LMTP greets with LHLO and answers the dot once per accepted recipient (RFC 2033). */
  protocol: 'smtp' | 'lmtp' | 'qmtp';
  heloName: string;
  /** Who greets us with one of these names, in lower case, is ourselves. */
  refusedNames: readonly string[];
  tls: TlsMode;
  /** TLS comes before the greeting. */
  implicitTls: boolean;
  /** Shown to the host before the first message. */
  login: Login | null;
  /** REQUIRETLS (RFC 8689): the session is of use only when it is offered. */
  requireTls: boolean;
  /** The host offers PIPELINING and is known not to keep up with it: one command at a time. */
  unpipelined: boolean;
  /** Goes into the facts of the attempt. */
  tlsPolicy: TlsPolicyName;
  timeouts: Timeouts;
  mxHost: string | null;
  mxAddress: string | null;
  sourceAddress: string | null;
}

/** Why a session ended, or could not begin. */
export interface SessionEnd {
  stage: Stage;
  reply: Reply | null;
  failure: LocalFailure | null;
  tlsProblem?: TlsProblem;
}

export type SessionAction =
  /** `drain`: the session waits for the event `drained`. */
  | { type: 'write'; parts: readonly (string | Uint8Array)[]; drain: boolean }
  | { type: 'start_tls' }
  /** The session is open: it takes transactions. */
  | { type: 'ready'; capabilities: Capabilities; tls: Secured | null }
  | { type: 'outcome'; work: Work; outcome: RecipientOutcome }
  /** These recipients of `work` have no outcome: send them again. */
  | { type: 'returned'; work: Work; recipients: readonly TransactionRecipient[]; attempts: number }
  /** Once per work, after its outcomes. `dotReplyMs`: how long the receiver took after the dot. */
  | { type: 'done'; work: Work; dotReplyMs: number | null }
  /** The receiver takes no more recipients than this in one transaction. */
  | { type: 'learned'; maxRecipients: number }
  /** Last action of every session: close the socket. */
  | { type: 'end'; end: SessionEnd | null };

export type Phase =
  'greeting' | 'ehlo' | 'helo' | 'starttls' | 'tls' | 'auth' | 'open' | 'quitting' | 'ended';

export interface Slot {
  readonly recipient: TransactionRecipient;
  /**
   * accepted: by RCPT. refused: by RCPT, and `refusal` is believed when DATA is answered. left_over:
   * for the next transaction. decided: has its outcome.
   */
  state: 'open' | 'accepted' | 'refused' | 'left_over' | 'decided';
  refusal?: Reply;
}

/** A work on the wire. */
export interface Envelope {
  readonly work: Work;
  startedAtMs: number;
  /** `idleMs` of the session then. */
  startedIdleMs: number;
  readonly slots: readonly Slot[];
  /** The message as DATA wants it; null when BDAT is used. */
  readonly stuffed: WireBody | null;
  mark: 'waiting' | 'durable' | 'failed';
  /** Commands not written yet. */
  unsent: { line: string; expect: Expectation }[];
  /** Replies that are still to come for this envelope. */
  outstanding: number;
  mailAccepted: boolean;
  /** Its commands travelled behind the dot of another message. */
  ahead: boolean;
  /** RCPT commands the receiver said 2xx to, whatever became of them since. */
  rcptAccepted: number;
  /** commands: until DATA is answered. body: being written. */
  phase: 'commands' | 'go' | 'body';
  /** Bytes of the message already written. */
  bodyOffset: number;
  dotAtMs: number;
  /** Written whole, message and all, before any of its replies: see train.ts. */
  inTrain: boolean;
  /** In a train: what MAIL or RCPT was answered with. `again`: nothing is wrong with the message. */
  refusal: Decision | 'again' | null;
}

export type Expectation =
  | { kind: 'greeting' | 'ehlo' | 'helo' | 'starttls' | 'auth' | 'quit' }
  | { kind: 'rset' | 'mail' | 'data' | 'lone_dot'; envelope: Envelope }
  /** `slot` null: the reply is for all recipients. */
  | { kind: 'dot'; envelope: Envelope; slot: Slot | null }
  | { kind: 'rcpt'; envelope: Envelope; slot: Slot };

/** Where a session stands that waits for this reply. */
export function stageOf(kind: Expectation['kind']): Stage {
  switch (kind) {
    case 'helo':
      return 'ehlo';
    case 'rset':
    case 'quit':
      return 'mail';
    case 'lone_dot':
      return 'data';
    case 'greeting':
    case 'ehlo':
    case 'starttls':
    case 'auth':
    case 'mail':
    case 'rcpt':
    case 'data':
    case 'dot':
      return kind;
  }
}

export interface SessionState {
  readonly options: SessionOptions;
  nowMs: number;
  /** For how long the process has had nothing to do. */
  idleMs: number;
  phase: Phase;
  parser: ReplyParser;
  capabilities: Capabilities;
  tls: Secured | null;
  /** Made once, because every outcome tells them. */
  facts: SessionFacts;
  /** Once AUTH is written; `turn` counts the 334s. */
  auth: { exchange: AuthExchange; turn: number } | null;
  expected: Expectation[];
  /** In its commands or its body. */
  current: Envelope | null;
  /** Their dots are written, in this order, the replies are not here. More than one is a train. */
  awaiting: Envelope[];
  /** The receiver answers no command that came behind a dot: each waits for the reply before it. */
  aheadRefused: boolean;
  /** Given ahead; each begins when the one before it has written its dot. */
  queued: Envelope[];
  /** A transaction was left open at the receiver: RSET comes before the next MAIL. */
  needsReset: boolean;
  /** How many messages may be on the wire at one time. */
  maxInTrain: number;
  /**
   * The shortest wait for a reply that had nothing to do before it, as far as the process was idle
   * meanwhile: when it is busy, it is not the line that is long. Waits that it was busy for most of
   * are left out. null: not seen.
   */
  roundTripMs: number | null;
  heardAtMs: number;
  /** A message sent with BDAT was taken. */
  bdatTaken: boolean;
  /** 421, with messages behind it. `silent`: none of them has had a reply since. */
  farewell: { of: Envelope; end: SessionEnd; silent: boolean } | null;
  /** Works whose dot was answered. */
  completed: number;
  maxRecipients: number | null;
  awaitingDrain: boolean;
  /** QUIT as soon as nothing is under way. */
  quitting: boolean;
  /** What the running timeout is for; a new timeout begins when this changes. */
  timed: unknown;
  deadlineMs: number | null;
  pending: (string | Uint8Array)[];
  actions: SessionAction[];
}

export function initialState(options: SessionOptions, nowMs: number): SessionState {
  return {
    options,
    nowMs,
    idleMs: nowMs,
    phase: options.implicitTls ? 'tls' : 'greeting',
    parser: createReplyParser(),
    capabilities: NO_CAPABILITIES,
    tls: null,
    facts: factsOf(options, null),
    auth: null,
    expected: options.implicitTls ? [] : [{ kind: 'greeting' }],
    current: null,
    awaiting: [],
    aheadRefused: false,
    queued: [],
    needsReset: false,
    maxInTrain: 1,
    roundTripMs: null,
    heardAtMs: nowMs,
    bdatTaken: false,
    farewell: null,
    completed: 0,
    maxRecipients: null,
    awaitingDrain: false,
    quitting: false,
    timed: null,
    deadlineMs: null,
    pending: [],
    actions: [],
  };
}

export function write(state: SessionState, part: string | Uint8Array): void {
  state.pending.push(part);
}

export function expect(state: SessionState, expectation: Expectation): void {
  state.expected.push(expectation);
  if ('envelope' in expectation) expectation.envelope.outstanding += 1;
}

/** Turns what was collected into one action. */
export function flush(state: SessionState, drain = false): void {
  if (state.pending.length === 0) return;
  state.actions.push({ type: 'write', parts: state.pending, drain });
  state.pending = [];
  if (drain) state.awaitingDrain = true;
}

export function act(state: SessionState, action: SessionAction): void {
  flush(state);
  state.actions.push(action);
}

export function factsOf(options: SessionOptions, tls: Secured | null): SessionFacts {
  const { mxHost, mxAddress, sourceAddress, tlsPolicy } = options;
  return { mxHost, mxAddress, sourceAddress, ...tlsFacts(tls, tlsPolicy) };
}

export function tlsFacts(
  tls: Secured | null,
  policy: TlsPolicyName,
): Pick<SessionFacts, 'tls' | 'tlsVerified' | 'tlsPolicy'> {
  return {
    tls: tls?.description ?? null,
    ...(tls === null ? {} : { tlsVerified: tls.problem === null }),
    ...(policy === 'none' ? {} : { tlsPolicy: policy }),
  };
}

export interface Decision {
  stage: Stage;
  reply: Reply | null;
  failure: LocalFailure | null;
  tlsProblem?: TlsProblem;
  result?: Result;
  shared?: true;
}

/** Gives one recipient its outcome. The first decision stands; later ones change nothing. */
export function decide(
  state: SessionState,
  envelope: Envelope,
  slot: Slot,
  decision: Decision,
): void {
  if (slot.state === 'decided') return;
  slot.state = 'decided';
  const { stage, reply, failure, tlsProblem, shared } = decision;
  // The facts last, and no spread for what is rarely there: 220 bytes of heap, 750 before.
  const outcome: RecipientOutcome = {
    recipientId: slot.recipient.id,
    result: decision.result ?? resultOf(reply, failure),
    stage,
    reply,
    failure,
    startedAt: new Date(envelope.startedAtMs),
    durationMs: Math.max(0, state.nowMs - envelope.startedAtMs),
    ...state.facts,
  };
  if (tlsProblem !== undefined) outcome.tlsProblem = tlsProblem;
  if (shared !== undefined) outcome.shared = shared;
  state.actions.push({ type: 'outcome', work: envelope.work, outcome });
}

export function decideAll(
  state: SessionState,
  envelope: Envelope,
  which: Slot['state'],
  decision: Decision,
): void {
  for (const slot of envelope.slots) {
    if (slot.state === which) decide(state, envelope, slot, decision);
  }
}

/** 5xx and permanent observations are `rejected`; everything else that failed is `deferred`. */
export function resultOf(reply: Reply | null, failure: LocalFailure | null): Result {
  if (failure !== null) return describeFailure(failure).permanent ? 'rejected' : 'deferred';
  return reply !== null && reply.code >= 500 ? 'rejected' : 'deferred';
}
