/**
 * mta/auth — proving to a smart host who we are (RFC 4954).
 *
 * Pure. PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), XOAUTH2 (an access token instead of a password).
 *
 * Promises: a password or token is never sent in clear, unless the route says that there is no TLS.
 *           CRAM-MD5, which does not show it, may be. XOAUTH2 is used only when the route asks for
 *           it: a password is no token.
 * See:      handshake.ts (when), transport.ts (Login).
 */
import { createHmac } from 'node:crypto';
import { assertNever } from '../kernel/errors.ts';
import type { AuthMechanism, Login } from './transport.ts';

export interface AuthExchange {
  /** Without CRLF. */
  command: string;
  /** The line that answers the n-th 334, counted from 0; null: there is nothing more to say. */
  answer(challenge: string, turn: number): string | null;
}

/** The best first, where the password is hidden by TLS; in clear only what hides it by itself. */
const BEHIND_TLS: readonly AuthMechanism[] = ['PLAIN', 'LOGIN', 'CRAM-MD5'];
const IN_CLEAR: readonly AuthMechanism[] = ['CRAM-MD5'];

/** null: none that both sides can use. `hidden`: TLS is up, or the route has none on purpose. */
export function chooseMechanism(
  offered: readonly string[],
  login: Login,
  hidden: boolean,
): AuthMechanism | null {
  const wanted = login.mechanism === null ? BEHIND_TLS : [login.mechanism];
  const usable = wanted.filter((name) => hidden || IN_CLEAR.includes(name));
  return usable.find((name) => offered.includes(name)) ?? null;
}

export function beginAuth(mechanism: AuthMechanism, { user, secret }: Login): AuthExchange {
  switch (mechanism) {
    case 'PLAIN':
      return { command: `AUTH PLAIN ${base64(`\0${user}\0${secret}`)}`, answer: () => null };
    case 'LOGIN':
      return {
        command: 'AUTH LOGIN',
        answer: (_challenge, turn) => [base64(user), base64(secret)][turn] ?? null,
      };
    case 'CRAM-MD5':
      return {
        command: 'AUTH CRAM-MD5',
        answer: (challenge, turn) => (turn === 0 ? answerCramMd5(challenge, user, secret) : null),
      };
    case 'XOAUTH2':
      return {
        command: `AUTH XOAUTH2 ${base64(`user=${user}\u0001auth=Bearer ${secret}\u0001\u0001`)}`,
        // The challenge is an error in JSON; an empty line fetches the real reply.
        answer: (_challenge, turn) => (turn === 0 ? '' : null),
      };
    default:
      return assertNever(mechanism);
  }
}

function answerCramMd5(challenge: string, user: string, secret: string): string {
  const digest = createHmac('md5', secret).update(Buffer.from(challenge, 'base64')).digest('hex');
  return base64(`${user} ${digest}`);
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
