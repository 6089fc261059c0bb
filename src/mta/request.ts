/**
 * mta/request — one DeliveryRequest on its way: what was pulled, what is on the wire, what came back.
 *
 * Promises: every recipient of every transaction pulled gets one outcome. Nothing is pulled after
 *           the source said it is over, nor after the site failed. `onSiteFailure` is called at most
 *           once, and only when the source had not ended by itself.
 * Fails:    a source whose `next` rejects counts as over; a throwing callback is logged, because the
 *           other recipients of the connection are none of its business.
 */
import type { Asker, ByteBudget, Room } from './byte-budget.ts';
import type { Logger } from '../kernel/log.ts';
import type { RecipientOutcome } from './outcome.ts';
import type { Work } from './session.ts';
import type {
  DeliveryRequest,
  SiteFailure,
  Transaction,
  TransactionRecipient,
} from './transaction.ts';

export interface RequestState {
  readonly source: DeliveryRequest;
  readonly log: Logger | null;
  /** Connections that work for it now. */
  lanes: number;
  /** Calls of `next` that have not answered. */
  pulling: number;
  /** Works given to a connection and not done. */
  onWire: number;
  /** Pulled or come back, and on no connection. */
  backlog: Work[];
  /** `next` said null, or must not be called any more. */
  exhausted: boolean;
  failure: SiteFailure | null;
  /** A connection has worked for it. */
  served: boolean;
  readonly budget: ByteBudget;
  readonly asker: Asker;
  /** What to do when there is room for its next message. */
  onRoom: () => void;
  readonly resolve: () => void;
}

export function createRequest(
  source: DeliveryRequest,
  log: Logger | null,
  budget: ByteBudget,
  resolve: () => void,
): RequestState {
  const request: RequestState = {
    source,
    log,
    budget,
    asker: { contentKey: source.contentKey ?? source.domain, wake: () => request.onRoom() },
    onRoom: () => undefined,
    lanes: 0,
    pulling: 0,
    onWire: 0,
    backlog: [],
    exhausted: false,
    failure: null,
    served: false,
    resolve,
  };
  return request;
}

/** Room for the next message, or null; with `wait`, `onRoom` is called when it is the turn. */
export function takeRoom({ budget, asker }: RequestState, wait: boolean): Room | null {
  return budget.take(asker, wait);
}

/** Its turn will come: `onRoom`. */
export function waitsForRoom({ budget, asker }: RequestState): boolean {
  return budget.isWaiting(asker);
}

/** For whoever holds nothing meanwhile. */
export function untilRoom({ budget, asker: { contentKey } }: RequestState): Promise<Room> {
  return new Promise((resolve) => {
    const ask = (): void => {
      const room = budget.take(asker, true);
      if (room !== null) resolve(room);
    };
    const asker: Asker = { contentKey, wake: ask };
    ask();
  });
}

/** How many more connections it could use. */
export function need(request: RequestState): number {
  const free = Math.max(1, request.source.maxLanes) - request.lanes;
  return Math.min(free, request.exhausted ? request.backlog.length : Infinity);
}

export function isOver(request: RequestState): boolean {
  const { exhausted, pulling, onWire, backlog } = request;
  return exhausted && pulling === 0 && onWire === 0 && backlog.length === 0;
}

/** The next transaction, or null when there is none. */
export async function pull(request: RequestState, room: Room): Promise<Work | null> {
  if (request.exhausted) {
    room.cancel();
    return null;
  }
  request.pulling += 1;
  let filled = false;
  try {
    const transaction = await request.source.next();
    if (transaction === null) {
      request.exhausted = true;
      return null;
    }
    filled = true;
    room.fill(transaction);
    // The mark may fail before a connection looks at it.
    transaction.marked.catch(() => undefined);
    const work: Work = { transaction, recipients: transaction.recipients, attempts: 0 };
    if (request.failure === null) return work;
    failWork(request, work, request.failure);
    return null;
  } catch (error) {
    request.exhausted = true;
    request.log?.error({ err: error, domain: request.source.domain }, 'a delivery source failed');
    return null;
  } finally {
    request.pulling -= 1;
    if (!filled) room.cancel();
  }
}

export function takeBack(
  request: RequestState,
  work: Work,
  recipients: readonly TransactionRecipient[],
  attempts: number,
): void {
  const rest: Work = { transaction: work.transaction, recipients, attempts };
  if (request.failure === null) request.backlog.unshift(rest);
  else failWork(request, rest, request.failure);
}

export function tellOutcome(
  request: RequestState,
  transaction: Transaction,
  outcome: RecipientOutcome,
): void {
  try {
    request.source.onOutcome(outcome);
  } catch (error) {
    request.log?.error({ err: error }, 'an outcome was not taken');
  }
  request.budget.settle(transaction);
}

/** The site cannot be used: what was pulled is decided by `failure`, the rest is not pulled. */
export function failRequest(request: RequestState, failure: SiteFailure): void {
  if (request.failure !== null) return;
  const hadMore = !request.exhausted;
  request.failure = failure;
  request.exhausted = true;
  for (const work of request.backlog.splice(0)) failWork(request, work, failure);
  if (!hadMore) return;
  try {
    request.source.onSiteFailure(failure);
  } catch (error) {
    request.log?.error({ err: error }, 'a site failure was not taken');
  }
}

function failWork(request: RequestState, work: Work, failure: SiteFailure): void {
  for (const { id } of work.recipients) {
    tellOutcome(request, work.transaction, { ...failure, recipientId: id });
  }
}
