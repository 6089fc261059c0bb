/**
 * interop/receiver — what the tests know of a mail server they did not write.
 *
 * A receiver has several doors: ports that differ in what EHLO offers. Mail for any domain under
 * `<name>.example` is taken at every door. Local part `unknown...` is refused at RCPT. Mail for the
 * domain `late.<name>.example` is accepted, fails afterwards, and the receiver's own DSN goes to the
 * envelope sender at our bounce listener. The rest is written to files.
 */
import type { Account, Room } from './room.ts';

/**
 * `tls`: everything it has. `clear`: all but STARTTLS. `data`: no CHUNKING. `bare`: no extension.
 * `few`: at most 20 recipients in a transaction.
 */
export type DoorName = 'tls' | 'clear' | 'data' | 'bare' | 'few';

/** EHLO keywords that decide how the engine speaks. */
export const KEYWORDS = ['PIPELINING', 'CHUNKING', '8BITMIME', 'DSN', 'SMTPUTF8', 'SIZE'] as const;
export type Keyword = (typeof KEYWORDS)[number];

export interface Arrival {
  /** As the receiver wrote it down: envelope recipient and sender. */
  recipient: string;
  sender: string;
  /** Header fields that the receiver put on top. */
  trace: string;
  /** From our first field on, CRLF lines. */
  message: Buffer;
}

export interface ReceiverSetup {
  room: Room;
  ports: Readonly<Partial<Record<DoorName, number>>> & { inner: number };
  /** Where its DSNs go: our bounce listener on 127.0.0.1. */
  bouncePort: number;
  tls: { key: string; cert: string };
}

export interface ReceiverKind {
  readonly name: string;
  /** The first is the server itself. */
  readonly packages: readonly string[];
  readonly accounts: readonly Account[];
  readonly doors: readonly DoorName[];
  /** What EHLO says at the doors `tls` and `clear`. */
  readonly offers: readonly Keyword[];
  /** It offers STARTTLS, and every handshake fails. */
  readonly brokenTls?: true;
  /** Writes the configuration and starts the server. */
  start(setup: ReceiverSetup): void;
  /** One delivered file. */
  read(text: Buffer): Pick<Arrival, 'recipient' | 'sender'>;
  /** Folder of delivered files, in the room. */
  readonly mailFolder: string;
  /** Its log, in the room; the end of it is printed when a test fails. */
  readonly log: string;
}

/** Users and groups of all receivers; the mail belongs to the first. */
export const MAIL: Account = { name: 'mail', id: 901 };
export const NOBODY: Account = { name: 'nobody', id: 902 };
/** 50 MB. */
export const SIZE_LIMIT = 52_428_800;

/** A program in the room that files a message, its envelope on top, as `readFiled` reads it. */
export function filingScript(sender: string, recipient: string): string {
  return `#!/bin/busybox sh
file=$(/bin/busybox mktemp /mail/tmp/XXXXXXXXXX)
{ echo "Envelope: ${sender} ${recipient}"; /bin/busybox cat; } > $file
/bin/busybox mv $file /mail/new/
`;
}

export function readFiled(file: Buffer): Pick<Arrival, 'recipient' | 'sender'> {
  const found = /^Envelope: (\S+) (.*)$/m.exec(file.toString('utf8'));
  return { recipient: found?.[2] ?? '', sender: found?.[1] ?? '' };
}
