/**
 * test/dkim/verifiers — `npm run test:dkim`: what we sign, judged by every DKIM verifier that is here.
 *
 *     npm run test:dkim                    looks in ../shared/corpora/dkim/verify
 *     npm run test:dkim -- path/to/verify
 *
 * That folder holds offline wrappers: dkimpy_verify.py, maildkim_verify.pl, opendkim_verify.sh,
 * mailauth_verify.js; each is given a DNS map and messages, and prints one line a message. One whose
 * program is not installed is skipped and said so; so is the whole run without the folder. Exits 1
 * when a verifier that ran refuses a message, or takes one that was changed after signing.
 */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createSigner } from '../../src/mta/dkim.ts';
import type { DkimKey } from '../../src/mta/dkim.ts';

interface Verifier {
  name: string;
  file: string;
  run: readonly string[];
  /** Answers 0 when the program behind the wrapper is there. */
  probe: readonly string[];
  dns: 'json' | 'lines';
  /** Mail::DKIM knows no Ed25519. */
  rsaOnly?: true;
}

const VERIFIERS: readonly Verifier[] = [
  {
    name: 'dkimpy',
    file: 'dkimpy_verify.py',
    run: ['python3'],
    probe: ['python3', '-c', 'import dkim, nacl'],
    dns: 'json',
  },
  {
    name: 'Mail::DKIM',
    file: 'maildkim_verify.pl',
    run: ['perl'],
    probe: ['perl', '-MMail::DKIM::Verifier', '-MJSON', '-e', '1'],
    dns: 'json',
    rsaOnly: true,
  },
  {
    name: 'OpenDKIM',
    file: 'opendkim_verify.sh',
    run: ['bash'],
    probe: ['opendkim', '-V'],
    dns: 'lines',
  },
  {
    name: 'mailauth',
    file: 'mailauth_verify.js',
    run: [process.execPath],
    probe: [process.execPath, '-e', "require('mailauth/lib/dkim/verify')"],
    dns: 'json',
  },
];

const DOMAIN = 'shop.example';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed25519 = generateKeyPairSync('ed25519');
const RSA: DkimKey = { selector: 'r1', algorithm: 'rsa-sha256', privateKey: rsa.privateKey };
const ED: DkimKey = { selector: 'e1', algorithm: 'ed25519-sha256', privateKey: ed25519.privateKey };

function record(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  return key.asymmetricKeyType === 'rsa'
    ? `v=DKIM1; k=rsa; p=${der.toString('base64')}`
    : `v=DKIM1; k=ed25519; p=${der.subarray(-32).toString('base64')}`;
}
const DNS = {
  [`r1._domainkey.${DOMAIN}`]: record(rsa.publicKey),
  [`e1._domainkey.${DOMAIN}`]: record(ed25519.publicKey),
};

const HEADERS = [
  `From: "The Shop" <news@${DOMAIN}>`,
  'To: Ann <ann@one.example>',
  'Subject: =?UTF-8?B?5L2g5aW9?=',
  ' =?UTF-8?B?5L2g5aW9?=',
  'Date: Sun, 01 Mar 2026 12:00:00 +0000',
  `Message-ID: <1@${DOMAIN}>`,
  'List-Unsubscribe: <https://shop.example/u/1>,',
  ' <mailto:u+1@bounce.shop.example?subject=unsubscribe>',
  'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
].join('\r\n');
const BODIES: Record<string, string> = {
  plain: 'Hello\r\nthere\r\n',
  empty: '',
  blanks: 'Hello  there \t\r\n\r\n.\r\n  indented\t\t\r\n\r\n\r\n',
  long: `${'=E4=BD=A0=E5=A5=BD '.repeat(4)}\r\n`.repeat(2_000),
};
const KEYS = { rsa: [RSA], ed25519: [ED], both: [RSA, ED] };

interface Case {
  keys: string;
  file: string;
  valid: boolean;
}

async function writeMessages(folder: string): Promise<Case[]> {
  const cases: Case[] = [];
  const put = (keys: string, name: string, text: Uint8Array | string, valid: boolean): void => {
    const file = join(folder, `${keys}-${name}.eml`);
    writeFileSync(file, text);
    cases.push({ keys, file, valid });
  };
  for (const [keys, chosen] of Object.entries(KEYS)) {
    const signer = createSigner({ domain: DOMAIN, keys: chosen });
    for (const [name, body] of Object.entries(BODIES)) {
      put(keys, name, await signer.sign(Buffer.from(`${HEADERS}\r\n\r\n${body}`)), true);
    }
    const good = Buffer.from(await signer.sign(Buffer.from(`${HEADERS}\r\n\r\nHello\r\n`)));
    const text = good.toString('latin1');
    put(keys, 'changed-body', text.replace('Hello\r\n', 'Hullo\r\n'), false);
    put(keys, 'changed-from', text.replace('The Shop', 'The Bank'), false);
    // Oversigned: a second field of the name may not be put in.
    put(keys, 'second-subject', text.replace('Subject:', 'Subject: other\r\nSubject:'), false);
  }
  return cases;
}

/** Why it cannot run, or what it said of each file. */
function judge(verifier: Verifier, folder: string, dns: string, cases: readonly Case[]) {
  const script = join(folder, verifier.file);
  if (!existsSync(script)) return `${verifier.file} is not there`;
  const [command, ...args] = verifier.probe;
  const env = { ...process.env, NODE_PATH: resolve('node_modules') };
  if (spawnSync(command ?? '', args, { env }).status !== 0)
    return `${verifier.name} is not installed`;
  const [program, ...rest] = [...verifier.run, script];
  const files = cases.map(({ file }) => file);
  const { stdout } = spawnSync(program, [...rest, dns, ...files], { env, encoding: 'utf8' });
  const lines = stdout.split('\n');
  return new Map(
    files.map((file) => {
      const line = lines.find((text) => text.startsWith(`${file} `)) ?? `${file} no answer`;
      return [file, line.slice(file.length + 1)];
    }),
  );
}

function passes(answer: string): boolean {
  return /\bpass\b/.test(answer) && !/fail|invalid|error|neutral|no answer/i.test(answer);
}

async function main(): Promise<number> {
  const folder = resolve(process.argv[2] ?? '../shared/corpora/dkim/verify');
  if (!existsSync(folder)) {
    process.stdout.write(`skipped: there is no folder ${folder} with verifiers\n`);
    return 0;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'volley-dkim-'));
  let wrong = 0;
  try {
    const all = await writeMessages(scratch);
    const json = join(scratch, 'dns.json');
    const lines = join(scratch, 'dns.txt');
    writeFileSync(json, JSON.stringify(DNS));
    writeFileSync(
      lines,
      Object.entries(DNS)
        .map((pair) => `${pair.join(' ')}\n`)
        .join(''),
    );
    for (const verifier of VERIFIERS) {
      const dns = verifier.dns === 'json' ? json : lines;
      const cases = all.filter(({ keys }) => keys === 'rsa' || verifier.rsaOnly !== true);
      const answers = judge(verifier, folder, dns, cases);
      if (typeof answers === 'string') {
        process.stdout.write(`${verifier.name}: skipped, ${answers}\n`);
        continue;
      }
      const mistakes = cases.filter(({ file, valid }) => passes(answers.get(file) ?? '') !== valid);
      wrong += mistakes.length;
      process.stdout.write(`${verifier.name}: ${cases.length - mistakes.length}/${cases.length}\n`);
      for (const { file, valid } of mistakes) {
        const wanted = valid ? 'should pass' : 'should fail';
        process.stdout.write(`  ${file} ${wanted}: ${answers.get(file) ?? ''}\n`);
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return wrong === 0 ? 0 : 1;
}

process.exitCode = await main();
