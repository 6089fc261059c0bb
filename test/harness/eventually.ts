/**
 * harness/eventually — waits until an assertion holds; ten seconds, because a busy machine is slow.
 * A test that waits longer than its assertion needs costs nothing; one that gives up early lies.
 */
import { vi } from 'vitest';

export function eventually<T>(assertion: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(assertion, { timeout: 10_000, interval: 25 });
}
