/**
 * api/stream-response — an answer of any length, sent as fast as the client reads it.
 *
 * Promises: the first piece is made before the status goes out, so that a failure at the start is a
 *           problem document. A client that stops reading for `stallTimeoutMs`, or goes away, ends
 *           the source and gives the slot back.
 * Fails:    after the start an error can only cut the connection: the client sees an incomplete
 *           transfer, never a complete-looking half. The log has the reason.
 */
import type { Context } from 'hono';
import type { Logger } from '../kernel/log.ts';
import type { ApiEnv } from './environment.ts';
import type { Slots } from './slots.ts';

export interface StreamDeps {
  slots: Slots;
  log: Logger;
  stallTimeoutMs: number;
}

export async function streamResponse(
  c: Context<ApiEnv>,
  deps: StreamDeps,
  pieces: AsyncIterable<string | Uint8Array>,
  headers: Record<string, string>,
): Promise<Response> {
  // Nobody would read the body of a HEAD, nor tell us that it is not wanted.
  if (c.req.method === 'HEAD') return c.body(null, 200, headers);
  const release = deps.slots.take();
  const source = pieces[Symbol.asyncIterator]();
  try {
    const first = await source.next();
    return c.body(toStream(source, first, { ...deps, release, cut: cutter(c) }), 200, headers);
  } catch (error) {
    release();
    throw error;
  }
}

type Controller = ReadableStreamDefaultController<Uint8Array>;

/** Ends the transfer so that the client sees it is incomplete. */
function cutter(c: Context<ApiEnv>): (controller: Controller) => void {
  // c.env is absent in `app.request`, whatever its type says.
  const socket = (c.env as ApiEnv['Bindings'] | undefined)?.outgoing;
  return (controller) => {
    // Through the socket: of an error in the stream, node-server writes message and stack to stderr.
    if (socket === undefined) controller.error(new Error('the answer was cut off'));
    else socket.destroy();
  };
}

interface Sending extends StreamDeps {
  release: () => void;
  cut: (controller: Controller) => void;
}

function toStream(
  source: AsyncIterator<string | Uint8Array>,
  first: IteratorResult<string | Uint8Array>,
  deps: Sending,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let waiting: IteratorResult<string | Uint8Array> | null = first;
  let stall: NodeJS.Timeout | undefined;

  const end = async (reason: unknown): Promise<void> => {
    clearTimeout(stall);
    deps.release();
    try {
      await source.return?.();
    } catch (error) {
      deps.log.warn({ err: error, reason }, 'closing the source of an answer failed');
    }
  };

  return new ReadableStream<Uint8Array>({
    start(controller) {
      stall = setTimeout(() => {
        deps.cut(controller);
        void end('stalled');
      }, deps.stallTimeoutMs);
    },
    async pull(controller) {
      stall?.refresh();
      try {
        const piece = waiting ?? (await source.next());
        waiting = null;
        if (piece.done === true) {
          await end('finished');
          controller.close();
        } else {
          const { value } = piece;
          controller.enqueue(typeof value === 'string' ? encoder.encode(value) : value);
        }
      } catch (error) {
        deps.log.error({ err: error }, 'an answer was cut off');
        await end('failed');
        deps.cut(controller);
      }
    },
    cancel: end,
  });
}
