/** bench/nodemailer — nodemailer as a contender: its pool, and its bare SMTPConnection. */
import { join } from 'node:path';
import type { Contender } from '../harness/bench.ts';
import type { SenderOptions } from '../harness/prebuilt.ts';
import type { Sink } from '../harness/sink.ts';
import { counted, runChild } from '../limits/limits.ts';
import type { NodemailerOptions } from './nodemailer-process.ts';

type Options = Omit<SenderOptions, 'port'>;

function contender(
  name: string,
  kind: NodemailerOptions['kind'],
  sink: Sink,
  port: number,
  options: Options,
): Contender {
  return {
    name,
    role: 'peer',
    async run() {
      const before = await sink.deliveries();
      const path = join(import.meta.dirname, 'nodemailer-process.ts');
      const taken = await runChild(path, { ...options, kind, port });
      return counted(sink, before, options.n, taken);
    },
  };
}

/** Composes MIME and signs for every message, as its users do; the same content and list fields. */
export function nodemailerPool(sink: Sink, port: number, options: Options): Contender {
  return contender('nodemailer pool', 'pool', sink, port, options);
}

/** Prebuilt bytes, unsigned. */
export function nodemailerConnection(sink: Sink, port: number, options: Options): Contender {
  return contender('nodemailer SMTPConnection', 'connection', sink, port, options);
}
