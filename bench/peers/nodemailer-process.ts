/**
 * bench/nodemailer-process — nodemailer as the sender, in a process of its own.
 *
 *     fork('nodemailer-process.ts', [JSON.stringify(NodemailerOptions)])   tells a sample
 *
 * pool: createTransport({ pool: true }), which composes MIME and signs. connection: SMTPConnection
 * over prebuilt messages, one at a time on each connection: the least that nodemailer can do.
 */
import { createTransport } from 'nodemailer';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { BareLoopOptions } from '../limits/bare-loop.ts';
import {
  campaignContent,
  createMessageMaker,
  DOMAIN,
  recipientsOf,
  senderOf,
} from '../harness/message.ts';
import { privateKeyFor, SELECTOR } from '../harness/signer.ts';
import { measureHere } from '../harness/usage.ts';

export interface NodemailerOptions extends BareLoopOptions {
  kind: 'pool' | 'connection';
}

const options = JSON.parse(process.argv[2] ?? '{}') as NodemailerOptions;
const messages = Math.ceil(options.n / options.recipientsEach);

const to50 = (n: number): string[] => recipientsOf(n, options.recipientsEach, 50);

async function sendByPool(): Promise<number> {
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
  const content = campaignContent(options.sizeBytes, true);
  const fill = (template: string, n: number): string =>
    template.replaceAll('{{name}}', `Name ${n}`).replaceAll('{{points}}', String(n % 997));
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < messages) {
      const n = next++;
      const to = to50(n);
      await pool.sendMail({
        envelope: { from: senderOf(n), to },
        from: `Corner Shop <news@${DOMAIN}>`,
        to: to.length === 1 ? to : 'undisclosed-recipients:;',
        subject: fill(content.subject, n),
        html: fill(content.source, n),
        text: fill(content.text, n),
      });
    }
  };
  // Twice as many as connections, so that none of them waits for us.
  await Promise.all(Array.from({ length: options.connections * 2 }, lane));
  pool.close();
  return options.n;
}

async function sendByConnections(): Promise<number> {
  const maker = createMessageMaker(options.sizeBytes);
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
      const to = to50(n);
      const { headers, body } = maker(n, to[0] ?? '');
      await new Promise<void>((resolve, reject) => {
        connection.send(
          { from: senderOf(n), to },
          Buffer.from(`${headers}\r\n${body}`, 'latin1'),
          (error) => {
            if (error === null) resolve();
            else reject(error);
          },
        );
      });
    }
    connection.quit();
  };
  await Promise.all(Array.from({ length: options.connections }, lane));
  return options.n;
}

const work = options.kind === 'pool' ? sendByPool : sendByConnections;
process.send?.(await measureHere(work));
process.disconnect();
