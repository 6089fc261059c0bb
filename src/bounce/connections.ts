/**
 * bounce/connections — how many connections a peer may hold, and how long one may take for nothing.
 *
 * Promises: one address never holds more than its share. A connection that completes no message within
 *           the deadline is told to go: idle timeouts alone do not end a peer that sends one byte now
 *           and then.
 * See:      listener.ts.
 */
export interface ConnectionLimits {
  maxPerAddress: number;
  /** From the connection, or its last message, to the next completed message. */
  deadlineMs: number;
}

export interface Connections {
  /** False when the address has its share already. */
  admit(id: string, address: string): boolean;
  /** A message is complete: the deadline starts anew. */
  refresh(id: string): void;
  leave(id: string): void;
}

export function createConnections(
  limits: ConnectionLimits,
  onDeadline: (id: string) => void,
): Connections {
  const open = new Map<string, { address: string; timer: NodeJS.Timeout }>();
  const perAddress = new Map<string, number>();

  return {
    admit(id, address) {
      const count = perAddress.get(address) ?? 0;
      if (count >= limits.maxPerAddress) return false;
      perAddress.set(address, count + 1);
      const timer = setTimeout(onDeadline, limits.deadlineMs, id);
      open.set(id, { address, timer });
      return true;
    },
    refresh(id) {
      open.get(id)?.timer.refresh();
    },
    leave(id) {
      const connection = open.get(id);
      if (connection === undefined) return;
      open.delete(id);
      clearTimeout(connection.timer);
      const rest = (perAddress.get(connection.address) ?? 1) - 1;
      if (rest > 0) perAddress.set(connection.address, rest);
      else perAddress.delete(connection.address);
    },
  };
}
