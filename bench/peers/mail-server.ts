/**
 * bench/peers/mail-server — a mail server as a contender: fed over SMTP, timed until the sink has all.
 */
import { join } from 'node:path';
import { sample } from '../harness/bench.ts';
import type { Contender } from '../harness/bench.ts';
import { untilReceived } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';
import { runChild } from '../limits/limits.ts';
import type { BareLoopOptions } from '../limits/bare-loop.ts';

export interface MailServer {
  port: number;
  cpuSeconds(): number | null;
}

/** Our own sending engine: it does without the extensions that a server does not offer. */
const FEEDER = join(import.meta.dirname, '../benches/mta-process.ts');

/**
 * `messagesOut`: how many messages the sink gets for one that was fed; a server that makes one for
 * each recipient makes as many as there are recipients.
 */
export function mailServerContender(
  name: string,
  server: MailServer,
  sink: Sink,
  options: Omit<BareLoopOptions, 'port'>,
  messagesOut = 1,
): Contender {
  return {
    name,
    role: 'peer',
    async run() {
      const before = await sink.messages();
      const cpuBefore = server.cpuSeconds();
      const beganMs = performance.now();
      await runChild(FEEDER, { ...options, port: server.port });
      const fedSeconds = (performance.now() - beganMs) / 1_000;
      const messages = Math.ceil(options.n / options.recipientsEach) * messagesOut;
      const all = await untilReceived(sink, before, messages);
      const seconds = (performance.now() - beganMs) / 1_000;
      const seen = (await sink.messages()) - before;
      const cpuAfter = server.cpuSeconds();
      const known = cpuBefore !== null && cpuAfter !== null;
      return sample(options.n, seconds, {
        cpuSeconds: known ? cpuAfter - cpuBefore : null,
        figures: { fedSeconds },
        faults: all && seen === messages ? [] : [`the sink has ${seen} of ${messages} messages`],
      });
    },
  };
}
