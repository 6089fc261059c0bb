/**
 * bench/nodemailer-process — nodemailer as the sender, in a process of its own.
 *
 *     fork('nodemailer-process.ts', [JSON.stringify(NodemailerOptions)])   tells 'ready', then a sample
 *
 * pool: createTransport({ pool: true }), which composes MIME and signs: content, slots and header
 * fields as Volley's campaign has them. connection: SMTPConnection over prebuilt messages, one at a
 * time on each connection: the least that nodemailer can do. The key and the pool are made before the
 * clock runs.
 */
import { createTransport } from 'nodemailer';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { untilTold } from '../harness/child.ts';
import {
  campaignContent,
  DOMAIN,
  DOMAINS,
  fillFor,
  listFields,
  recipientsOf,
  senderOf,
} from '../harness/message.ts';
import { createPrebuilt } from '../harness/prebuilt.ts';
import type { SenderOptions } from '../harness/prebuilt.ts';
import { privateKeyFor, SELECTOR } from '../harness/signer.ts';
import { measureHere } from '../harness/usage.ts';

export interface NodemailerOptions extends SenderOptions {
  kind: 'pool' | 'connection';
}

const options = JSON.parse(process.argv[2] ?? '{}') as NodemailerOptions;
const messages = Math.ceil(options.n / options.recipientsEach);

const recipients = (n: number): string[] => recipientsOf(n, options.recipientsEach, DOMAINS);

function createPoolWork(): () => Promise<number> {
  const dkim =
    options.dkim === 'none'
      ? {}
      : {
          dkim: {
            domainName: DOMAIN,
            keySelector: SELECTOR,
            privateKey: privateKeyFor(options.dkim).export({
              type: 'pkcs8',
              format: 'pem',
            }) as string,
          },
        };
  const pool = createTransport({
    pool: true,
    host: '127.0.0.1',
    port: options.port,
    ignoreTLS: true,
    maxConnections: options.connections,
    maxMessages: 1_000,
    ...dkim,
  });
  const personalised = options.recipientsEach === 1;
  const content = campaignContent(options.sizeBytes, personalised);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < messages) {
      const n = next++;
      const to = recipients(n);
      const fill = fillFor(n);
      await pool.sendMail({
        envelope: { from: senderOf(n), to },
        from: `Corner Shop <news@${DOMAIN}>`,
        to: personalised ? { name: `Name ${n}`, address: to[0] ?? '' } : 'undisclosed-recipients:;',
        subject: fill(content.subject),
        html: fill(content.source),
        text: fill(content.text),
        headers: personalised ? unfolded(listFields(n)) : {},
      });
    }
  };
  return async () => {
    // Twice as many as connections, so that none of them waits for us.
    await Promise.all(Array.from({ length: options.connections * 2 }, lane));
    pool.close();
    return options.n;
  };
}

/** It folds by itself. */
function unfolded(fields: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value.replaceAll('\r\n', '')]),
  );
}

function createConnectionsWork(): () => Promise<number> {
  const build = createPrebuilt(options);
  let next = 0;
  const lane = async (): Promise<void> => {
    const connection = new SMTPConnection({
      host: '127.0.0.1',
      port: options.port,
      ignoreTLS: true,
    });
    await new Promise<void>((resolve, reject) => {
      connection.once('error', reject);
      connection.connect(() => resolve());
    });
    while (next < messages) {
      const n = next++;
      const to = recipients(n);
      const message = await build(n);
      await new Promise<void>((resolve, reject) => {
        connection.send({ from: senderOf(n), to }, message, (error) => {
          if (error === null) resolve();
          else reject(error);
        });
      });
    }
    connection.quit();
  };
  return async () => {
    await Promise.all(Array.from({ length: options.connections }, lane));
    return options.n;
  };
}

const work = options.kind === 'pool' ? createPoolWork() : createConnectionsWork();
await untilTold();
process.send?.(await measureHere(work));
process.disconnect();
