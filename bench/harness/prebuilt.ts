/**
 * bench/prebuilt — finished messages for those who do not compose: the limits, nodemailer's bare
 * connection, and the sending engine that feeds the mail servers. Signed when it is asked for.
 */
import { hashBody } from '../../src/mta/dkim.ts';
import { createMessageMaker, DOMAINS, recipientOf } from './message.ts';
import type { Dkim } from './settings.ts';
import { createBenchSigner } from './signer.ts';

/** What a process that sends is told, as JSON. */
export interface SenderOptions {
  port: number;
  /** Recipients. */
  n: number;
  /** Recipients of one message; 1: personalised. */
  recipientsEach: number;
  connections: number;
  sizeBytes: number;
  dkim: Dkim;
  /** Asks a receiver that offers it to expand one copy (Postfix's XVERP). */
  xverp?: boolean;
}

/** Makes message `n`, not dot-stuffed (nothing in it begins with a dot). The key is made here. */
export function createPrebuilt({ sizeBytes, dkim }: SenderOptions): (n: number) => Promise<Buffer> {
  const maker = createMessageMaker(sizeBytes);
  const signer = createBenchSigner(dkim);
  return async (n) => {
    const { headers, body } = maker(n, recipientOf(n, DOMAINS));
    if (signer === null) return Buffer.from(`${headers}\r\n${body}`, 'latin1');
    const rest = Buffer.from(`\r\n${body}`, 'latin1');
    const fields = await signer.signHeaders(headers, hashBody(rest.subarray(2)));
    return Buffer.concat([Buffer.from(fields + headers, 'latin1'), rest]);
  };
}
