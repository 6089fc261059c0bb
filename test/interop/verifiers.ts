/**
 * interop/verifiers — DKIM verifiers that we did not write: mailauth, OpenDKIM, dkimpy.
 *
 * Promises: every signature of every message is judged alone (the others are taken out, which no
 *           signature minds), because most verifiers are content with one that is good.
 */
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import type { Room } from './room.ts';

export const OPENDKIM = ['opendkim'];
export const DKIMPY = ['python3-dkim', 'python3'];

/** TXT records by name. */
export type Keys = Readonly<Record<string, string>>;

/** For each message, which has one signature: `pass`, or what was said instead. */
export type Verifier = (messages: readonly Buffer[], keys: Keys) => Promise<string[]>;

export const mailauth: Verifier = (messages, keys) => {
  const resolver = async (name: string): Promise<string[][]> => {
    const value = keys[name];
    if (value === undefined) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    return [[value]];
  };
  return Promise.all(
    messages.map(async (message) => {
      const [result] = (await dkimVerify(message, { resolver })).results;
      return result?.status.result ?? 'no signature';
    }),
  );
};

/** `opendkim -t` prints one line a message. */
export function opendkim(room: Room): Verifier {
  return async (messages, keys) => {
    const records = Object.entries(keys).map(([name, value]) => `${name} ${value}\n`);
    room.write('t/keys', records.join(''));
    room.write('t/conf', 'TestPublicKeys /t/keys\nMode v\nSyslog no\nSocket local:/t/socket\n');
    return messages.map((message) => {
      room.write('t/message', message);
      const said = room.run(['/usr/sbin/opendkim', '-x', '/t/conf', '-t', '/t/message']);
      return said.includes('succeeded') && !said.includes('failed') ? 'pass' : said;
    });
  };
}

const DKIMPY_SCRIPT = `
import dkim, json, sys
keys = json.load(open('/t/keys'))
def txt(name, timeout=5):
    value = keys.get(name.decode().rstrip('.'))
    return value.encode() if value else None
for path in sys.argv[1:]:
    # Not dkim.verify(): it says "fail" for whatever is wrong, a missing library too.
    try:
        print('pass' if dkim.DKIM(open(path, 'rb').read()).verify(dnsfunc=txt) else 'fail')
    except Exception as error:
        print(repr(error))
`;

export function dkimpy(room: Room): Verifier {
  return async (messages, keys) => {
    room.write('t/keys', JSON.stringify(keys));
    room.write('t/verify.py', DKIMPY_SCRIPT);
    const paths = messages.map((message, index) => {
      room.write(`t/${index}`, message);
      return `/t/${index}`;
    });
    return room
      .run(['/usr/bin/python3', '/t/verify.py', ...paths])
      .trim()
      .split('\n');
  };
}

const SIGNATURE = /^DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*/;

export function withOneSignatureEach(message: Buffer): Buffer[] {
  let rest = message.toString('latin1');
  const signatures: string[] = [];
  for (let found = SIGNATURE.exec(rest); found !== null; found = SIGNATURE.exec(rest)) {
    signatures.push(found[0]);
    rest = rest.slice(found[0].length);
  }
  return signatures.map((signature) => Buffer.from(signature + rest, 'latin1'));
}
