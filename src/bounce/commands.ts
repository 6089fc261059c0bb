/**
 * bounce/commands — list commands by mail: how their addresses and cookies look, and who is answered.
 *
 *     list-subscribe+<stream>@bounce.example     asks for a confirmation
 *     list-unsubscribe+<stream>@bounce.example   asks for a confirmation
 *     list-confirm+<cookie>@bounce.example       does it
 *
 * Pure. Promises: a cookie is good for one list (bounce domain and stream), one action, one address and
 *           ten days; what it says is under an HMAC, the address too, so nobody can confirm for another.
 *           Used twice, it does the same twice. Nothing is stored between the two mails.
 * Never:    is a program answered (`isAutomatic`): null sender, Auto-Submitted, Precedence, List- and
 *           Mailing-List fields, what Volley wrote itself, what reads like a report or an auto-reply.
 * Why:      as ezmlm does it: a request proves nothing, an answer to a mail proves who reads the mailbox.
 * See:      destination.ts (RCPT), answers.ts (what follows), DESIGN.md.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseAddress } from '../kernel/address.ts';
import type { Address } from '../kernel/address.ts';
import { decodeBase32, encodeBase32 } from '../verp/base32.ts';
import type { KeyRing, SigningKey } from '../verp/keyring.ts';
import type { Inspection } from './inspection.ts';
import type { Headers } from './message.ts';
import { STREAMS } from './suppressions/entry.ts';

export const LIST_ACTIONS = ['subscribe', 'unsubscribe'] as const;
export type ListAction = (typeof LIST_ACTIONS)[number];
export type Stream = (typeof STREAMS)[number];

export type ListCommand =
  { verb: 'request'; action: ListAction; stream: Stream } | { verb: 'confirm'; cookie: string };

export interface ListRequest {
  /** Bounce domain: lower-case ASCII. */
  domain: string;
  stream: Stream;
  action: ListAction;
  /** kernel/address `key`. */
  addressKey: string;
}

const REQUEST = /^list-(subscribe|unsubscribe)\+([a-z]{1,20})$/i;
const CONFIRM = /^list-confirm\+([a-z2-7]{1,48})$/i;
const LIFE_SECONDS = 10 * 86_400;
/** A clock may be behind the one that signed. */
const EARLY_SECONDS = 300;
const MAC_BYTES = 12;
const HEAD_BYTES = 7;

/** What the local part of an address commands; null: nothing. */
export function parseCommand(local: string): ListCommand | null {
  const request = REQUEST.exec(local);
  if (request !== null) {
    const action = LIST_ACTIONS.find((each) => each === request[1]?.toLowerCase());
    const stream = STREAMS.find((each) => each === request[2]?.toLowerCase());
    return action === undefined || stream === undefined
      ? null
      : { verb: 'request', action, stream };
  }
  const cookie = CONFIRM.exec(local)?.[1]?.toLowerCase();
  return cookie === undefined ? null : { verb: 'confirm', cookie };
}

export function commandAddress(command: ListCommand, domain: string): string {
  if (command.verb === 'confirm') return `list-confirm+${command.cookie}@${domain}`;
  return `list-${command.action}+${command.stream}@${domain}`;
}

/** Byte 0 action, 1 stream, 2 key id, 3..6 time in seconds, then the MAC. */
export function signCookie(ring: KeyRing, request: ListRequest, now: Date): string {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = LIST_ACTIONS.indexOf(request.action);
  head[1] = STREAMS.indexOf(request.stream);
  head[2] = ring.signing.id;
  head.writeUInt32BE(Math.floor(now.getTime() / 1_000), 3);
  return encodeBase32(Buffer.concat([head, mac(ring.signing, head, request)]));
}

/** What `addressKey` confirms with this cookie at `domain`; null when it does not. */
export function readCookie(
  ring: KeyRing,
  cookie: string,
  domain: string,
  addressKey: string,
  now: Date,
): ListRequest | null {
  const bytes = decodeBase32(cookie);
  if (bytes?.length !== HEAD_BYTES + MAC_BYTES) return null;
  const head = Buffer.from(bytes.subarray(0, HEAD_BYTES));
  const action = LIST_ACTIONS[head[0] ?? -1];
  const stream = STREAMS[head[1] ?? -1];
  if (action === undefined || stream === undefined) return null;
  const request: ListRequest = { domain, stream, action, addressKey };
  const given = bytes.subarray(HEAD_BYTES);
  const known = ring.verifying.some(
    (key) => key.id === head[2] && timingSafeEqual(mac(key, head, request), given),
  );
  const ageSeconds = now.getTime() / 1_000 - head.readUInt32BE(3);
  return known && ageSeconds < LIFE_SECONDS && ageSeconds > -EARLY_SECONDS ? request : null;
}

function mac(key: SigningKey, head: Uint8Array, request: ListRequest): Buffer {
  const hmac = createHmac('sha256', key.key).update('volley list cookie\0').update(head);
  hmac.update(`${request.domain}\0${request.addressKey}`);
  return hmac.digest().subarray(0, MAC_BYTES);
}

/**
 * Who wrote, as far as the envelope says. The tag that some hosts put before it
 * (BATV: `prvs=4815162342=ann@x.example`) changes with every mail, so it is taken off.
 */
export function writerOf(envelopeSender: string): Address | null {
  const address = parseAddress(envelopeSender.replace(/^prvs=[^=@]{1,20}=/i, ''));
  return address.ok ? address.value : null;
}

const ROBOTS = /^(?:mailer-daemon|postmaster|owner-.*|.*-(?:owner|request|bounces?)|no-?reply)@/;
const LIST_FIELDS = ['mailing-list', 'x-volley-trace', 'x-autoreply', 'x-autorespond'];

/** Nobody reads an answer to it, or it would be answered in turn. */
export function isAutomatic(
  envelopeSender: string,
  headers: Headers,
  inspection: Pick<Inspection, 'kind'>,
): boolean {
  const writer = writerOf(envelopeSender);
  if (writer === null || ROBOTS.test(writer.key) || inspection.kind !== 'none') return true;
  const submitted = headers.get('auto-submitted')?.[0]?.trim().toLowerCase() ?? 'no';
  if (!/^no\b/.test(submitted)) return true;
  if (/^\s*(?:bulk|list|junk)\b/i.test(headers.get('precedence')?.[0] ?? '')) return true;
  const names = [...headers.keys()];
  return names.some((name) => name.startsWith('list-') || LIST_FIELDS.includes(name));
}
