/**
 * bench/peers/mail-server — a mail server as a contender: fed over SMTP, timed until the sink has all.
 *
 * The clock starts when server and feeder are up and the feeder is told to begin: accepting the mail is
 * the server's work, as the upload is Volley's; starting a Node is not.
 */
import { join } from 'node:path';
import { sample } from '../harness/bench.ts';
import type { Contender } from '../harness/bench.ts';
import { untilReceived } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';
import { runChild } from '../limits/limits.ts';
import type { SenderOptions } from '../harness/prebuilt.ts';

export interface MailServer {
  port: number;
  cpuSeconds(): number | null;
}

/** Our own sending engine: it does without the extensions that a server does not offer. */
const FEEDER = join(import.meta.dirname, '../benches/mta-process.ts');

export function mailServerContender(
  name: string,
  server: MailServer,
  sink: Sink,
  options: Omit<SenderOptions, 'port'>,
): Contender {
  return {
    name,
    role: 'peer',
    async run() {
      const before = await sink.deliveries();
      const cpuBefore = server.cpuSeconds();
      let beganMs = 0;
      const onReady = (): void => void (beganMs = performance.now());
      const fed = await runChild(FEEDER, { ...options, port: server.port }, { onReady });
      const all = await untilReceived(sink, before, options.n);
      const seconds = (performance.now() - beganMs) / 1_000;
      const seen = (await sink.deliveries()) - before;
      const cpuAfter = server.cpuSeconds();
      const known = cpuBefore !== null && cpuAfter !== null;
      const exact = all && seen === options.n;
      return sample(options.n, seconds, {
        cpuSeconds: known ? cpuAfter - cpuBefore : null,
        figures: { fedSeconds: fed.seconds },
        faults: [...fed.faults, ...(exact ? [] : [`the sink has ${seen} of ${options.n}`])],
      });
    },
  };
}
