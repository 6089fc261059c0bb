/**
 * mta/dkim — signs messages (RFC 6376, relaxed/relaxed; RFC 8301 RSA, RFC 8463 Ed25519).
 *
 * Promises: one DKIM-Signature per key, in the order of the keys, on top of the message; the rest of
 *           the message is not touched. Keys sign in libuv's thread pool, not on the event loop.
 *           From, To, Cc, Subject, Date, Reply-To and the List-Unsubscribe fields are oversigned:
 *           named once more than they occur, so that nobody can add another one to a signed message.
 *           All other fields that are signed are oversigned where they occur.
 * Never:    signs Received, Return-Path or other signatures: those are the transport's.
 * Fails:    rejects when a key cannot sign, which is a broken key.
 * Why:      the body hash is apart (`hashBody`), so that personalised mail of one body, or one copy
 *           for many, hashes its body once. RSA-2048 costs about 0.35 ms a signature, and is what
 *           bounds signed mail; Ed25519 is ten times cheaper, but not all receivers verify it.
 */
import { createHash, hash, sign as signWithKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { endOnce, parseHeaderBlock, relaxValue } from './dkim-canonical.ts';
import type { HeaderField } from './dkim-canonical.ts';
import { asBuffer } from './dot-stuffing.ts';
import { Segment } from './segment.ts';

export interface DkimKey {
  selector: string;
  algorithm: 'rsa-sha256' | 'ed25519-sha256';
  privateKey: KeyObject;
}

export interface SignerOptions {
  domain: string;
  /** At least one; several for RSA beside Ed25519, or while keys are rotated. */
  keys: readonly DkimKey[];
  /** Further fields to sign where they occur. */
  headers?: readonly string[];
  /** For `t=`. */
  now?: () => Date;
}

export interface Signer {
  /** The message with its DKIM-Signature fields in front. */
  sign(message: Uint8Array): Promise<Uint8Array>;
  /**
   * The DKIM-Signature fields, each ending with CRLF, for a header block (without the empty line,
   * bytes as Latin-1 characters) and a body hash from `hashBody`.
   */
  signHeaders(headerBlock: string, bodyHash: string): Promise<string>;
}

const OVERSIGNED = [
  'From',
  'To',
  'Cc',
  'Subject',
  'Date',
  'Reply-To',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
];
const SIGNED = [
  'Message-ID',
  'Sender',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
  'In-Reply-To',
  'References',
  'List-ID',
  'List-Help',
  'List-Subscribe',
  'List-Owner',
  'List-Archive',
  'Feedback-ID',
  'CFBL-Address',
  'CFBL-Feedback-ID',
  'Auto-Submitted',
];
const LINE = 72;

export function createSigner(options: SignerOptions): Signer {
  const plan: readonly Planned[] = [...OVERSIGNED, ...SIGNED, ...(options.headers ?? [])].map(
    (name) => ({ name, key: name.toLowerCase(), oversigned: OVERSIGNED.includes(name) }),
  );
  const signHeaders = (headerBlock: string, bodyHash: string): Promise<string> =>
    signFields(options, plan, headerBlock, bodyHash);
  return {
    signHeaders,
    async sign(message) {
      const { headers, body } = splitMessage(message);
      const block = asBuffer(headers).toString('latin1');
      const fields = await signHeaders(block, hashBody(body));
      return Buffer.concat([Buffer.from(fields, 'latin1'), message]);
    },
  };
}

/** `bh=`: base64 of SHA-256 of the relaxed body. */
export function hashBody(body: Uint8Array): string {
  return hashSegments([new Segment(asBuffer(body))]);
}

/**
 * `bh=` of a body that is made of these. None is cut in white space, and the last is more than empty
 * lines (the end of a MIME body is), or all there is.
 */
export function hashSegments(body: readonly Segment[]): string {
  const digest = createHash('sha256');
  for (const [i, segment] of body.entries()) {
    const relaxed = segment.relaxed();
    digest.update(i === body.length - 1 ? endOnce(relaxed) : relaxed);
  }
  return digest.digest('base64');
}

export function splitMessage(message: Uint8Array): { headers: Uint8Array; body: Uint8Array } {
  const source = asBuffer(message);
  const at = source.indexOf('\r\n\r\n', 0, 'latin1');
  if (at < 0) return { headers: source, body: source.subarray(source.length) };
  return { headers: source.subarray(0, at + 2), body: source.subarray(at + 4) };
}

interface Planned {
  name: string;
  /** In lower case. */
  key: string;
  oversigned: boolean;
}

async function signFields(
  options: SignerOptions,
  plan: readonly Planned[],
  headerBlock: string,
  bodyHash: string,
): Promise<string> {
  const chosen = chooseFields(parseHeaderBlock(headerBlock), plan);
  const seconds = Math.floor((options.now?.() ?? new Date()).getTime() / 1_000);
  const fields = options.keys.map(async (key) => {
    const open =
      `v=1; a=${key.algorithm}; c=relaxed/relaxed; d=${options.domain}; s=${key.selector};\r\n` +
      ` t=${seconds}; h=${foldNames(chosen.names)};\r\n bh=${bodyHash};\r\n b=`;
    const signature = await signText(key, `${chosen.text}dkim-signature:${relaxValue(open)}`);
    return `DKIM-Signature: ${open}${foldBase64(signature.toString('base64'))}\r\n`;
  });
  return (await Promise.all(fields)).join('');
}

/** Several fields of one name are signed from the last upwards (RFC 6376 5.4.2). */
function chooseFields(
  fields: readonly HeaderField[],
  plan: readonly Planned[],
): { names: string[]; text: string } {
  const byName = new Map<string, string[]>();
  for (const { name, relaxed } of fields) {
    const same = byName.get(name);
    if (same === undefined) byName.set(name, [relaxed]);
    else same.unshift(relaxed);
  }
  const chosen: string[] = [];
  let text = '';
  for (const { name, key, oversigned } of plan) {
    const present = byName.get(key);
    if (present !== undefined) {
      // A name that is planned twice has nothing left for the second time.
      byName.delete(key);
      for (const relaxed of present) {
        chosen.push(name);
        text += `${relaxed}\r\n`;
      }
    }
    if (present !== undefined || oversigned) chosen.push(name);
  }
  return { names: chosen, text };
}

function foldNames(names: readonly string[]): string {
  let text = '';
  let width = LINE / 2;
  for (const [i, name] of names.entries()) {
    const word = i === 0 ? name : `:${name}`;
    if (width + word.length > LINE) {
      text += '\r\n ';
      width = 1;
    }
    text += word;
    width += word.length;
  }
  return text;
}

function foldBase64(text: string): string {
  return text.replace(/(.{72})(?=.)/g, '$1\r\n ');
}

function signText(key: DkimKey, text: string): Promise<Buffer> {
  const data = Buffer.from(text, 'latin1');
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, signature: Buffer): void => {
      if (error === null) resolve(signature);
      else reject(error);
    };
    if (key.algorithm === 'rsa-sha256') signWithKey('sha256', data, key.privateKey, done);
    // RFC 8463 3: Ed25519 signs the hash, not the text.
    else signWithKey(null, hash('sha256', data, 'buffer'), key.privateKey, done);
  });
}
