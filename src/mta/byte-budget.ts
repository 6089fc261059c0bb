/**
 * mta/byte-budget — how many bytes of messages may be in memory at one time, over all connections.
 *
 * Pure. Room is taken before a source is asked for its next message, and given back when every
 * recipient of that message has his outcome. How big a message will be is guessed from the last ones
 * of the same content; of a content that was never seen one message is made at a time.
 *
 * Promises: never more than `maxBytes`, but for a message that is bigger by itself, which goes when no
 *           other is in flight, and for what messages of one content differ in size. Who finds no room
 *           waits in line, first come first served, one message a turn.
 * Never:    holds anybody up who has room already: a connection without room is idle, may be closed
 *           for another site, and is no lane; so whoever holds bytes gets his connection and ends.
 * Why:      500 connections with messages of 4 MB each were 2.2 GB.
 * See:      site.ts (who asks), request.ts `pull`.
 */
import type { Transaction } from './transaction.ts';

/** Who waits for room: a request. */
export interface Asker {
  /** Messages of one content have one size, more or less. */
  readonly contentKey: ContentKey;
  /** It is his turn: ask again. */
  readonly wake: () => void;
}

export type ContentKey = bigint | string;

/** Room for one message that is not there yet. */
export interface Room {
  /** The message is there: it counts as what it is, until `settle` was called for each recipient. */
  fill(transaction: Transaction): void;
  /** There was none. */
  cancel(): void;
}

export interface ByteBudget {
  /** null: no room; with `wait`, `wake` is called when it is his turn. */
  take(asker: Asker, wait: boolean): Room | null;
  isWaiting(asker: Asker): boolean;
  /** A recipient has his outcome. */
  settle(transaction: Transaction): void;
  usedBytes(): number;
}

interface State {
  readonly maxBytes: number;
  usedBytes: number;
  /** Of the last messages of each content; the one known for the longest time is forgotten first. */
  readonly sizes: Map<ContentKey, number>;
  /** Contents whose first message is being made. */
  readonly unseen: Set<ContentKey>;
  readonly held: WeakMap<Transaction, { sizeBytes: number; open: number }>;
  readonly waiting: Set<Asker>;
  turn: Asker | null;
  waking: boolean;
}

const MAX_CONTENTS = 1_000;

export function createByteBudget(maxBytes: number): ByteBudget {
  const state: State = {
    maxBytes,
    usedBytes: 0,
    sizes: new Map(),
    unseen: new Set(),
    held: new WeakMap(),
    waiting: new Set(),
    turn: null,
    waking: false,
  };
  return {
    take: (asker, wait) => take(state, asker, wait),
    isWaiting: (asker) => state.waiting.has(asker),
    settle: (transaction) => settle(state, transaction),
    usedBytes: () => state.usedBytes,
  };
}

function take(state: State, asker: Asker, wait: boolean): Room | null {
  const { waiting } = state;
  const isTurn = waiting.size === 0 || state.turn === asker;
  if (!isTurn || !fits(state, asker.contentKey)) {
    if (wait) waiting.add(asker);
    return null;
  }
  if (state.turn === asker) state.turn = null;
  return makeRoom(state, asker.contentKey);
}

function fits({ sizes, unseen, usedBytes, maxBytes }: State, key: ContentKey): boolean {
  const sizeBytes = sizes.get(key);
  if (sizeBytes === undefined) return !unseen.has(key) && usedBytes < maxBytes;
  return usedBytes === 0 || usedBytes + sizeBytes <= maxBytes;
}

function makeRoom(state: State, key: ContentKey): Room {
  const { sizes, unseen, held } = state;
  const guessBytes = sizes.get(key) ?? 0;
  if (!sizes.has(key)) unseen.add(key);
  state.usedBytes += guessBytes;
  return {
    fill(transaction) {
      const sizeBytes = transaction.message.sizeBytes;
      unseen.delete(key);
      // A small one between big ones does not make the next guess small at once.
      const before = sizes.get(key) ?? 0;
      sizes.set(key, Math.max(sizeBytes, Math.ceil(before / 2)));
      if (sizes.size > MAX_CONTENTS) forgetFirst(sizes);
      held.set(transaction, { sizeBytes, open: transaction.recipients.length });
      giveBack(state, guessBytes - sizeBytes);
    },
    cancel() {
      unseen.delete(key);
      giveBack(state, guessBytes);
    },
  };
}

function forgetFirst(sizes: State['sizes']): void {
  const [first] = sizes.keys();
  if (first !== undefined) sizes.delete(first);
}

function settle(state: State, transaction: Transaction): void {
  const { held } = state;
  const one = held.get(transaction);
  if (one === undefined) return;
  one.open -= 1;
  if (one.open > 0) return;
  held.delete(transaction);
  giveBack(state, one.sizeBytes);
}

function giveBack(state: State, sizeBytes: number): void {
  state.usedBytes -= sizeBytes;
  if (state.waking) return;
  state.waking = true;
  for (;;) {
    const [first] = state.waiting;
    if (first === undefined || !fits(state, first.contentKey)) break;
    state.waiting.delete(first);
    state.turn = first;
    first.wake();
    state.turn = null;
  }
  state.waking = false;
}
