/** Logins: what is said, what never is, and what a refusal means. */
import { describe, expect, test } from 'vitest';
import { beginAuth, chooseMechanism } from '../../src/mta/auth.ts';
import type { Login } from '../../src/mta/transport.ts';
import { ALL_EXTENSIONS } from './receiver.ts';
import type { Script } from './receiver.ts';
import { Driver, makeWork } from './session-driver.ts';

const login: Login = { mechanism: null, user: 'tim', secret: 'tanstaaftanstaaf' };
const ALL = ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2'];

describe('mechanisms', () => {
  test.each<[string, string[], Partial<Login>, boolean, string | null]>([
    ['the best behind TLS', ALL, {}, true, 'PLAIN'],
    ['LOGIN when there is no PLAIN', ['CRAM-MD5', 'LOGIN'], {}, true, 'LOGIN'],
    ['in clear only what hides the password', ALL, {}, false, 'CRAM-MD5'],
    ['nothing in clear that shows it', ['PLAIN', 'LOGIN'], {}, false, null],
    ['the one the route names', ALL, { mechanism: 'XOAUTH2' }, true, 'XOAUTH2'],
    ['not in clear, although the route names it', ALL, { mechanism: 'PLAIN' }, false, null],
    ['not one that is not offered', ['PLAIN'], { mechanism: 'LOGIN' }, true, null],
    ['a password is no token', ['XOAUTH2'], {}, true, null],
  ])('%s', (_name, offered, more, hidden, expected) => {
    expect(chooseMechanism(offered, { ...login, ...more }, hidden)).toBe(expected);
  });

  test('PLAIN, LOGIN, XOAUTH2', () => {
    const text = (line: string | null): string => Buffer.from(line ?? '', 'base64').toString();
    const plain = beginAuth('PLAIN', login);
    expect(text(plain.command.replace('AUTH PLAIN ', ''))).toBe('\0tim\0tanstaaftanstaaf');
    const steps = beginAuth('LOGIN', login);
    expect([0, 1, 2].map((turn) => text(steps.answer('', turn)))).toEqual([
      'tim',
      'tanstaaftanstaaf',
      '',
    ]);
    const token = beginAuth('XOAUTH2', login);
    expect(text(token.command.replace('AUTH XOAUTH2 ', ''))).toBe(
      'user=tim\u0001auth=Bearer tanstaaftanstaaf\u0001\u0001',
    );
    expect([token.answer('', 0), token.answer('', 1)]).toEqual(['', null]);
  });

  test('CRAM-MD5: the example of RFC 2195', () => {
    const challenge = 'PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+';
    expect(beginAuth('CRAM-MD5', login).answer(challenge, 0)).toBe(
      'dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw',
    );
  });
});

function session(answers: string[], offered = 'AUTH PLAIN LOGIN XOAUTH2', tls = true): Driver {
  const left = [...answers];
  const script: Script = ({ verb }) => (verb === 'AUTH' ? left.shift() : undefined);
  return new Driver({
    extensions: [...ALL_EXTENSIONS, offered, ...(tls ? ['STARTTLS'] : [])],
    script,
    login,
    tls: tls ? 'required' : 'opportunistic',
  }).connect();
}

describe('in a session', () => {
  test('after TLS, before the first message', () => {
    const driver = session(['235 2.7.0 welcome']);
    driver.send(makeWork(1n, ['a@x.test']));
    expect(driver.receiver.transcript.map((line) => line.split(' ')[0]).slice(0, 5)).toEqual([
      'EHLO',
      'STARTTLS',
      'EHLO',
      'AUTH',
      'MAIL',
    ]);
    expect(driver.summary()).toBe('1:accepted@dot(250)');
  });

  test.each([
    ['refused for good', ['535 5.7.8 no'], 535],
    ['refused for now', ['454 4.7.0 later'], 454],
    ['a challenge to nothing', ['334 aGk='], 334],
  ])('%s: temporary, the operator has to look', (_name, answers, code) => {
    const driver = session(answers);
    expect(driver.actions.at(-1)).toMatchObject({
      type: 'end',
      end: { stage: 'auth', failure: 'auth_failed', reply: { code } },
    });
  });

  test('XOAUTH2: the error is fetched with an empty line', () => {
    const left = ['334 eyJzdGF0dXMiOiI0MDEifQ==', '535 5.7.8 token expired'];
    const driver = new Driver({
      extensions: ['AUTH XOAUTH2', 'STARTTLS'],
      script: ({ verb }) => (['AUTH', ''].includes(verb) ? left.shift() : undefined),
      login: { ...login, mechanism: 'XOAUTH2' },
      tls: 'required',
    }).connect();
    expect(driver.receiver.transcript.at(-1)).toBe('');
    expect(driver.actions.at(-1)).toMatchObject({ end: { reply: { text: 'token expired' } } });
  });

  test('no TLS offered, no mechanism in common: nothing is shown', () => {
    for (const driver of [session([], 'AUTH PLAIN', false), session([], 'AUTH GSSAPI')]) {
      expect(driver.actions.at(-1)).toMatchObject({
        end: { stage: 'auth', failure: 'auth_failed' },
      });
      expect(driver.receiver.transcript.join()).not.toContain('AUTH');
    }
  });
});
