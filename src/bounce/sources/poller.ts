/**
 * bounce/sources/poller — looks at each source now and then, and records what it finds.
 *
 * Promises: the same reception as for SMTP: a message counts as taken after the commit, and is recorded
 *           once however often it is fetched. Sources do not wait for each other. One that fails
 *           is looked at again the next time; the log says so once per change, not once per look.
 * Stops:    after the message under way.
 */
import { AppError, messageOf } from '../../kernel/errors.ts';
import { startLoop } from '../../kernel/lifecycle.ts';
import type { Loop } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import { takeIn } from '../intake.ts';
import type { Reception } from '../reception.ts';
import { imapSource } from './imap.ts';
import { maildirSource } from './maildir.ts';
import { mboxSource } from './mbox.ts';
import { pop3Source } from './pop3.ts';
import { parseSource } from './source.ts';
import type { Source, Taken } from './source.ts';

export interface PollerDeps {
  reception: Reception;
  intervalMs: number;
  log: Logger;
}

export interface Poller {
  /** Looks now. */
  wake(): void;
  stop(): Promise<void>;
}

/** The source that a setting names. */
export function openSource(text: string): Source {
  const address = parseSource(text);
  switch (address.kind) {
    case 'maildir':
      return maildirSource(address);
    case 'mbox':
      return mboxSource(address);
    case 'imap':
      return imapSource(address);
    case 'pop3':
      return pop3Source(address);
  }
}

export function startPoller(deps: PollerDeps, sources: readonly Source[]): Poller {
  const loops = sources.map((source) => watch(deps, source));
  return {
    wake: () => loops.forEach((loop) => loop.wake()),
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

class Stopped extends Error {}

function watch(deps: PollerDeps, source: Source): Loop {
  const { log, intervalMs } = deps;
  let stopping = false;
  let failure: string | null = null;
  const loop = startLoop({
    intervalMs,
    async step() {
      const counts = { kept: 0, foreign: 0 };
      await source.poll(async (message) => {
        if (stopping) throw new Stopped();
        const taken = await record(deps.reception, message);
        counts[taken] += 1;
        return taken;
      });
      if (counts.kept + counts.foreign > 0)
        log.info({ source: source.name, ...counts }, 'took mail in');
      if (failure !== null) log.info({ source: source.name }, 'the source answers again');
      failure = null;
    },
    onError(error) {
      if (error instanceof Stopped) return;
      const said = messageOf(error);
      if (said !== failure) log.warn({ source: source.name, said }, 'cannot take mail from there');
      failure = said;
    },
  });
  return {
    wake: () => loop.wake(),
    stop() {
      stopping = true;
      return loop.stop();
    },
  };
}

async function record(reception: Reception, message: AsyncIterable<Buffer>): Promise<Taken> {
  const intake = await takeIn(message);
  if (intake === null) throw new AppError('upload_aborted', 'the connection broke off');
  return (await reception.keepUnaddressed(intake)) === null ? 'foreign' : 'kept';
}
