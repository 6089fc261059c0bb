/**
 * mta/connection — a session on a real socket: TCP or Unix, TLS, timers, back-pressure.
 *
 * Does what session.ts says and nothing else; it decides nothing about mail.
 *
 * Promises: events reach the session one at a time, and the actions of one are done before the next
 *           is handled. What a session writes in one step leaves in one packet where it fits (corked,
 *           Nagle off). A block of a big message is handed to the kernel before the next is taken.
 *           `ended` is told once, with the socket closed, and nothing after it.
 * Fails:    never throws; whatever the socket does becomes an event of the session.
 * Why:      opportunistic TLS does not mind the certificate (RFC 7435, RFC 3207 4.1): most MX hosts
 *           have one nobody can verify, and the alternative is not a safer connection but clear text.
 *           For the same reason it takes old TLS versions and ciphers. Mode `required` keeps out who
 *           only listens; mode `verified` also who stands in the middle.
 * See:      tls/client.ts.
 */
import type { Socket } from 'node:net';
import { idleMs } from '../kernel/clock.ts';
import type { Capabilities } from './capabilities.ts';
import { openEgress } from './egress.ts';
import type { RecipientOutcome } from './outcome.ts';
import { createQmtpSession } from './qmtp.ts';
import { createSession } from './session.ts';
import type {
  Demand,
  Session,
  SessionAction,
  SessionEnd,
  SessionEvent,
  SessionOptions,
  Work,
} from './session.ts';
import type { Source } from './source.ts';
import { startTls } from './tls/client.ts';
import type { TlsStart } from './tls/client.ts';
import { tlsProblem } from './tls/problem.ts';
import type { Secured, TlsProblem } from './tls/problem.ts';
import type { TransactionRecipient } from './transaction.ts';
import type { Endpoint, SocketPath } from './transport.ts';

export interface ConnectionOptions {
  /** An IP address and port, or a Unix socket. */
  to: Endpoint | SocketPath;
  /** null: as the system chooses. */
  source: Source | null;
  connectTimeoutMs: number;
  session: SessionOptions;
  tls: TlsStart;
  nowMs: () => number;
}

export interface ConnectionListener {
  /** `tls` null: in clear. */
  ready(capabilities: Capabilities, tls: Secured | null): void;
  outcome(work: Work, outcome: RecipientOutcome): void;
  returned(work: Work, recipients: readonly TransactionRecipient[], attempts: number): void;
  done(work: Work, dotReplyMs: number | null): void;
  learned(maxRecipients: number): void;
  /** A work can be given ahead: told after every event for as long as that is so. */
  room(): void;
  ended(end: SessionEnd | null): void;
}

export interface Connection {
  /** Only when `demand()` is not `none`. */
  send(work: Work, maxRecipients: number | null, maxInTrain: number): void;
  demand(): Demand;
  /** QUIT when nothing is under way. */
  quit(): void;
  /** Of our side; null before TCP was up. */
  localAddress(): string | null;
}

interface State {
  options: ConnectionOptions;
  listener: ConnectionListener;
  socket: Socket;
  localAddress: string | null;
  /** null until TCP is up. */
  session: Session | null;
  events: SessionEvent[];
  running: boolean;
  ended: boolean;
  timer: NodeJS.Timeout | null;
  timerAtMs: number;
}

export function openConnection(
  options: ConnectionOptions,
  listener: ConnectionListener,
): Connection {
  const socket = openEgress(options.to, options.source, {
    connected: (rest) => onConnect(state, rest),
    failed: (failure) => failConnect(state, failure),
  });
  const state: State = {
    options,
    listener,
    socket,
    localAddress: null,
    session: null,
    events: [],
    running: false,
    ended: false,
    timer: null,
    timerAtMs: Infinity,
  };
  state.timer = setTimeout(() => failConnect(state, 'connect_timeout'), options.connectTimeoutMs);
  return {
    send: (work, maxRecipients, maxInTrain) => send(state, work, { maxRecipients, maxInTrain }),
    demand: () => state.session?.demand() ?? 'none',
    quit: () => {
      if (state.session === null) failConnect(state, 'aborted');
      else feed(state, { type: 'quit' });
    },
    localAddress: () => state.localAddress,
  };
}

function listen(state: State, socket: Socket): void {
  socket.on('data', (bytes) => feed(state, { type: 'bytes', bytes }));
  socket.on('error', () => onClosed(state));
  socket.on('end', () => onClosed(state));
  socket.on('close', () => onClosed(state));
}

function onConnect(state: State, rest: Buffer): void {
  if (state.ended) return;
  listen(state, state.socket);
  state.localAddress = state.socket.localAddress ?? null;
  stopTimer(state);
  const { session, nowMs } = state.options;
  state.session =
    session.protocol === 'qmtp' ? createQmtpSession(session) : createSession(session, nowMs());
  feed(state, { type: 'connected' });
  if (rest.length > 0) feed(state, { type: 'bytes', bytes: rest });
}

function onClosed(state: State): void {
  feed(state, { type: 'closed' });
}

function failConnect(state: State, failure: NonNullable<SessionEnd['failure']>): void {
  finish(state, { stage: 'connect', reply: null, failure });
}

function finish(state: State, end: SessionEnd | null): void {
  if (state.ended) return;
  state.ended = true;
  stopTimer(state);
  state.socket.destroy();
  state.listener.ended(end);
}

function send(
  state: State,
  work: Work,
  limits: { maxRecipients: number | null; maxInTrain: number },
): void {
  feed(state, { type: 'work', work, ...limits });
  work.transaction.marked.then(
    () => feed(state, { type: 'marked', work, durable: true }),
    () => feed(state, { type: 'marked', work, durable: false }),
  );
}

/** A listener may feed back while an event is handled: that waits for its turn. */
function feed(state: State, event: SessionEvent): void {
  if (state.session === null) return;
  state.events.push(event);
  if (state.running) return;
  state.running = true;
  for (let next = state.events.shift(); next !== undefined; next = state.events.shift()) {
    const actions = state.session.handle(next, state.options.nowMs(), idleMs());
    for (const action of actions) perform(state, action);
  }
  state.running = false;
  setTimer(state);
  if (!state.ended && state.session.demand() === 'ahead') state.listener.room();
}

function perform(state: State, action: SessionAction): void {
  const { listener } = state;
  switch (action.type) {
    case 'write':
      write(state, action.parts, action.drain);
      return;
    case 'start_tls':
      beginTls(state);
      return;
    case 'ready':
      listener.ready(action.capabilities, action.tls);
      return;
    case 'outcome':
      listener.outcome(action.work, action.outcome);
      return;
    case 'returned':
      listener.returned(action.work, action.recipients, action.attempts);
      return;
    case 'done':
      listener.done(action.work, action.dotReplyMs);
      return;
    case 'learned':
      listener.learned(action.maxRecipients);
      return;
    case 'end':
      finish(state, action.end);
      return;
  }
}

function write(state: State, parts: readonly (string | Uint8Array)[], drain: boolean): void {
  const { socket } = state;
  if (!socket.writable) return; // Its end is on the way as an event.
  const last = parts.length - 1;
  if (last > 0) socket.cork();
  for (const [i, part] of parts.entries()) {
    if (drain && i === last) socket.write(part, (error) => onDrained(state, error));
    else socket.write(part);
  }
  if (last > 0) socket.uncork();
}

function onDrained(state: State, error: Error | null | undefined): void {
  if (error === null || error === undefined) feed(state, { type: 'drained' });
}

function beginTls(state: State): void {
  const clear = state.socket;
  clear.removeAllListeners();
  clear.on('error', () => undefined); // The TLS socket tells it.
  let up = false;
  state.socket = startTls(clear, state.options.tls, (secured) => {
    up = true;
    feed(state, { type: 'tls', secured });
  });
  state.socket.on('error', (error) => {
    if (!up) feed(state, { type: 'tls_failed', problem: handshakeProblem(error) });
  });
  listen(state, state.socket);
}

function handshakeProblem(error: Error): TlsProblem {
  const code = 'code' in error ? String(error.code) : error.message;
  return tlsProblem('validation-failure', `the TLS handshake failed: ${code}`);
}

/**
 * One timer per connection, set anew only when it would be late: a busy session changes its deadline
 * for every reply, and thousands of timer changes a second cost more than one early wake-up.
 */
function setTimer(state: State): void {
  const deadlineMs = state.session?.deadlineMs() ?? null;
  if (state.ended || deadlineMs === null || state.timerAtMs <= deadlineMs) return;
  stopTimer(state);
  state.timerAtMs = deadlineMs;
  const waitMs = Math.max(0, deadlineMs - state.options.nowMs());
  state.timer = setTimeout(() => onTimer(state), waitMs);
}

function onTimer(state: State): void {
  state.timer = null;
  state.timerAtMs = Infinity;
  const deadlineMs = state.session?.deadlineMs() ?? null;
  const due = deadlineMs !== null && state.options.nowMs() >= deadlineMs;
  if (due) feed(state, { type: 'timeout' });
  else setTimer(state);
}

function stopTimer(state: State): void {
  if (state.timer !== null) clearTimeout(state.timer);
  state.timer = null;
  state.timerAtMs = Infinity;
}
