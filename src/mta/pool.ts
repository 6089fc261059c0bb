/**
 * mta/pool — how many connections all sites together may hold.
 *
 * Promises: never more than `maxConnections` at one time. Who finds none free waits in line, first
 *           come first served; the connection idle for the longest time is closed for him.
 */
export interface Pool {
  /** Takes a place, or queues `wake` to be called when one is free (then ask again). */
  take(wake: () => void): boolean;
  giveBack(): void;
  /** An idle connection may be closed to make room. */
  offer(idle: Evictable): void;
  withdraw(idle: Evictable): void;
  /** Somebody waits. */
  isContended(): boolean;
  isFull(): boolean;
  open(): number;
}

export interface Evictable {
  evict(): void;
}

export function createPool(maxConnections: number): Pool {
  let open = 0;
  const waiting: (() => void)[] = [];
  const idle = new Set<Evictable>();

  /** Each one woken takes the place or leaves it to the next. */
  function wakeWaiting(): void {
    while (open < maxConnections) {
      const wake = waiting.shift();
      if (wake === undefined) return;
      wake();
    }
  }

  return {
    take(wake) {
      if (open < maxConnections) {
        open += 1;
        return true;
      }
      waiting.push(wake);
      const [oldest] = idle;
      if (oldest !== undefined) {
        idle.delete(oldest);
        oldest.evict();
      }
      return false;
    },
    giveBack() {
      open -= 1;
      wakeWaiting();
    },
    offer(one) {
      if (waiting.length > 0) one.evict();
      else idle.add(one);
    },
    withdraw: (one) => void idle.delete(one),
    isContended: () => waiting.length > 0,
    isFull: () => open >= maxConnections,
    open: () => open,
  };
}
