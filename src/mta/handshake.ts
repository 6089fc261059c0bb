/**
 * mta/handshake — from the greeting to a session that takes transactions.
 *
 * Pure. Greeting, EHLO (HELO when EHLO is refused; LHLO in LMTP), STARTTLS when it is offered and
 * wanted, EHLO again inside TLS, AUTH when the route has a login.
 *
 * Promises: what a receiver said in clear is forgotten when TLS begins (RFC 3207 4.2).
 * Fails:    by ending the session with the stage and the reply or observation; the caller tries the
 *           next host. STARTTLS not offered, or refused: goes on in clear when TLS is opportunistic
 *           (RFC 7435: mail in clear is what the other choice would be), else ends. A host that
 *           greets us with our own name is ourselves behind some address translation: a loop.
 *           A login that is refused, or cannot be shown safely: `auth_failed`, temporary whatever the
 *           reply says, because it is the operator who has to change something.
 */
import { beginAuth, chooseMechanism } from './auth.ts';
import { NO_CAPABILITIES, parseCapabilities } from './capabilities.ts';
import { greetCommand } from './command.ts';
import { createReplyParser } from './reply.ts';
import type { Reply } from './reply.ts';
import { act, expect, factsOf, write } from './session-state.ts';
import type { SessionEnd, SessionState } from './session-state.ts';
import { tlsProblem } from './tls/problem.ts';
import type { Secured } from './tls/problem.ts';

const NOT_OFFERED = tlsProblem('starttls-not-supported', 'STARTTLS is not offered, or refused');

/** Answers with the reason to end the session, or null to go on. */
export function onHandshakeReply(
  state: SessionState,
  kind: 'greeting' | 'ehlo' | 'helo' | 'starttls' | 'auth',
  reply: Reply,
  lines: readonly string[],
): SessionEnd | null {
  const positive = reply.code < 300;
  switch (kind) {
    case 'greeting':
      if (!positive) return { stage: 'greeting', reply, failure: null };
      greet(state, 'EHLO');
      return null;
    case 'ehlo':
      if (positive) return afterEhlo(state, lines);
      if (reply.code < 500 || state.options.protocol === 'lmtp') {
        return { stage: 'ehlo', reply, failure: null };
      }
      greet(state, 'HELO');
      return null;
    case 'helo':
      if (!positive) return { stage: 'ehlo', reply, failure: null };
      state.capabilities = NO_CAPABILITIES;
      return goOn(state);
    case 'starttls':
      if (reply.code === 421) return { stage: 'starttls', reply, failure: null };
      if (positive) beginTls(state);
      else if (demandsTls(state)) {
        return { stage: 'starttls', reply, failure: null, tlsProblem: NOT_OFFERED };
      } else return goOn(state);
      return null;
    case 'auth':
      return onAuthReply(state, reply);
  }
}

export function onConnected(state: SessionState): void {
  if (state.options.implicitTls) act(state, { type: 'start_tls' });
}

/** The TLS handshake is done. Answers with the reason to end the session, or null to go on. */
export function onTls(state: SessionState, secured: Secured): SessionEnd | null {
  const { problem } = secured;
  state.tls = secured;
  state.facts = factsOf(state.options, secured);
  state.capabilities = NO_CAPABILITIES;
  if (problem !== null && state.options.tls === 'verified') {
    const failure = 'certificate_unverified';
    return { stage: 'starttls', reply: null, failure, tlsProblem: problem };
  }
  if (!state.options.implicitTls) {
    greet(state, 'EHLO');
    return null;
  }
  state.phase = 'greeting';
  expect(state, { kind: 'greeting' });
  return null;
}

function greet(state: SessionState, verb: 'EHLO' | 'HELO'): void {
  const kind = verb === 'EHLO' ? 'ehlo' : 'helo';
  const { protocol, heloName } = state.options;
  state.phase = kind;
  write(state, greetCommand(protocol === 'lmtp' ? 'LHLO' : verb, heloName));
  expect(state, { kind });
}

function afterEhlo(state: SessionState, lines: readonly string[]): SessionEnd | null {
  const greeter = (lines[0] ?? '').trim().split(' ')[0] ?? '';
  if (state.options.refusedNames.includes(greeter.toLowerCase())) {
    return { stage: 'ehlo', reply: null, failure: 'loops_to_self' };
  }
  const offered = parseCapabilities(lines);
  const pipelining = offered.pipelining && !state.options.unpipelined;
  state.capabilities = { ...offered, pipelining };
  const wanted = state.options.tls !== 'none' && state.tls === null;
  if (!wanted || !state.capabilities.startTls) return goOn(state);
  state.phase = 'starttls';
  write(state, 'STARTTLS\r\n');
  expect(state, { kind: 'starttls' });
  return null;
}

function demandsTls(state: SessionState): boolean {
  return state.options.tls === 'required' || state.options.tls === 'verified';
}

/** TLS is up, or will not be. */
function goOn(state: SessionState): SessionEnd | null {
  const { login, tls } = state.options;
  if (demandsTls(state) && state.tls === null) {
    return { stage: 'starttls', reply: null, failure: 'tls_failed', tlsProblem: NOT_OFFERED };
  }
  if (state.options.requireTls && !state.capabilities.requireTls) {
    return { stage: 'ehlo', reply: null, failure: 'requiretls_unsupported' };
  }
  if (login === null) {
    open(state);
    return null;
  }
  const hidden = state.tls !== null || tls === 'none';
  const mechanism = chooseMechanism(state.capabilities.auth, login, hidden);
  if (mechanism === null) return { stage: 'auth', reply: null, failure: 'auth_failed' };
  const exchange = beginAuth(mechanism, login);
  state.phase = 'auth';
  state.auth = { exchange, turn: 0 };
  write(state, `${exchange.command}\r\n`);
  expect(state, { kind: 'auth' });
  return null;
}

function onAuthReply(state: SessionState, reply: Reply): SessionEnd | null {
  const { auth } = state;
  if (auth !== null && reply.code === 334) {
    const line = auth.exchange.answer(reply.text, auth.turn);
    if (line !== null) {
      auth.turn += 1;
      write(state, `${line}\r\n`);
      expect(state, { kind: 'auth' });
      return null;
    }
  }
  if (reply.code === 421) return { stage: 'auth', reply, failure: null };
  if (reply.code >= 300) return { stage: 'auth', reply, failure: 'auth_failed' };
  state.auth = null;
  open(state);
  return null;
}

function beginTls(state: SessionState): void {
  state.phase = 'tls';
  state.parser = createReplyParser();
  act(state, { type: 'start_tls' });
}

function open(state: SessionState): void {
  state.phase = 'open';
  act(state, { type: 'ready', capabilities: state.capabilities, tls: state.tls });
}
