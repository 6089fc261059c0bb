/**
 * mta/handshake — from the greeting to a session that takes transactions.
 *
 * Pure. Greeting, EHLO (HELO when EHLO is refused), STARTTLS when it is offered and wanted, EHLO
 * again inside TLS.
 *
 * Promises: what a receiver said in clear is forgotten when TLS begins (RFC 3207 4.2).
 * Fails:    by ending the session with the stage and the reply or observation; the caller tries the
 *           next host. STARTTLS not offered, or refused: goes on in clear when TLS is opportunistic
 *           (RFC 7435: mail in clear is what the other choice would be), else ends. A host that
 *           greets us with our own name is ourselves behind some address translation: a loop.
 */
import { NO_CAPABILITIES, parseCapabilities } from './capabilities.ts';
import { greetCommand } from './command.ts';
import { createReplyParser } from './reply.ts';
import type { Reply } from './reply.ts';
import { act, expect, write } from './session-state.ts';
import type { SessionEnd, SessionState } from './session-state.ts';

/** Answers with the reason to end the session, or null to go on. */
export function onHandshakeReply(
  state: SessionState,
  kind: 'greeting' | 'ehlo' | 'helo' | 'starttls',
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
      if (reply.code < 500) return { stage: 'ehlo', reply, failure: null };
      greet(state, 'HELO');
      return null;
    case 'helo':
      if (!positive) return { stage: 'ehlo', reply, failure: null };
      state.capabilities = NO_CAPABILITIES;
      return openUnlessTlsIsMissing(state);
    case 'starttls':
      if (reply.code === 421) return { stage: 'starttls', reply, failure: null };
      if (positive) beginTls(state);
      else if (demandsTls(state)) return { stage: 'starttls', reply, failure: null };
      else open(state);
      return null;
  }
}

/** The TLS handshake is done; `description` is its version and cipher. */
export function onTls(state: SessionState, description: string): void {
  state.tls = description;
  state.capabilities = NO_CAPABILITIES;
  greet(state, 'EHLO');
}

function greet(state: SessionState, verb: 'EHLO' | 'HELO'): void {
  const kind = verb === 'EHLO' ? 'ehlo' : 'helo';
  state.phase = kind;
  write(state, greetCommand(verb, state.options.heloName));
  expect(state, { kind });
}

function afterEhlo(state: SessionState, lines: readonly string[]): SessionEnd | null {
  const { refusedName } = state.options;
  const greeter = (lines[0] ?? '').trim().split(' ')[0] ?? '';
  if (refusedName !== null && greeter.toLowerCase() === refusedName.toLowerCase()) {
    return { stage: 'ehlo', reply: null, failure: 'loops_to_self' };
  }
  state.capabilities = parseCapabilities(lines);
  const wanted = state.options.tls !== 'none' && state.tls === null;
  if (!wanted || !state.capabilities.startTls) return openUnlessTlsIsMissing(state);
  state.phase = 'starttls';
  write(state, 'STARTTLS\r\n');
  expect(state, { kind: 'starttls' });
  return null;
}

function demandsTls(state: SessionState): boolean {
  return state.options.tls === 'required' || state.options.tls === 'verified';
}

function openUnlessTlsIsMissing(state: SessionState): SessionEnd | null {
  if (demandsTls(state) && state.tls === null) {
    return { stage: 'starttls', reply: null, failure: 'tls_failed' };
  }
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
  act(state, { type: 'ready', capabilities: state.capabilities });
}
