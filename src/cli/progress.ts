/**
 * cli/progress — how far a long piece of work is: a bar on a terminal, a line every few seconds
 * elsewhere (a log, CI).
 */
import { SingleBar } from 'cli-progress';

export interface ProgressFigures {
  done: number;
  total: number;
  perSecond: number;
  accepted: number;
  deferred: number;
  bounced: number;
}

export interface Progress {
  update(figures: ProgressFigures): void;
  stop(): void;
}

const FORMAT =
  '{bar} {done}/{total}  {rate} msg/s  accepted {accepted}  deferred {deferred}  bounced {bounced}  ETA {left}';
const LINE_EVERY_MS = 2_000;

function payload(figures: ProgressFigures): Record<string, string> {
  const left = figures.total - figures.done;
  const seconds = figures.perSecond > 0 ? Math.ceil(left / figures.perSecond) : null;
  return {
    done: String(figures.done),
    rate: figures.perSecond.toFixed(0),
    accepted: String(figures.accepted),
    deferred: String(figures.deferred),
    bounced: String(figures.bounced),
    left: seconds === null ? '-' : `${seconds} s`,
  };
}

export function startProgress(stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? startBar(stream) : startLines(stream);
}

function startBar(stream: NodeJS.WriteStream): Progress {
  const bar = new SingleBar({ format: FORMAT, stream, hideCursor: true, barsize: 24 });
  let started = false;
  return {
    update(figures) {
      if (!started) bar.start(figures.total, figures.done, payload(figures));
      started = true;
      bar.update(figures.done, payload(figures));
    },
    stop() {
      if (started) bar.stop();
    },
  };
}

function startLines(stream: NodeJS.WriteStream): Progress {
  let lastAt = 0;
  let finished = false;
  return {
    update(figures) {
      const finishes = figures.done >= figures.total && !finished;
      if (Date.now() - lastAt < LINE_EVERY_MS && !finishes) return;
      lastAt = Date.now();
      finished ||= finishes;
      const text = payload(figures);
      stream.write(
        `${text.done ?? ''}/${figures.total}  ${text.rate ?? ''} msg/s  accepted ${figures.accepted}  deferred ${figures.deferred}  bounced ${figures.bounced}  ETA ${text.left ?? ''}\n`,
      );
    },
    stop: () => undefined,
  };
}
