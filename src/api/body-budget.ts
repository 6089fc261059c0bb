/**
 * api/body-budget — how many bytes of bodies are held in memory at one time, over all requests.
 *
 * Promises: never more than `maxBytes`; what does not fit is refused at once with `overloaded`.
 *           Counted as they arrive, so a slow client holds what it sent, not what it announced.
 * Why:      800 clients that stop 100 KB before the end of their 2 MB took 3 GB.
 */
import { AppError } from '../kernel/errors.ts';

export interface BodyBudget {
  take(sizeBytes: number): void;
  give(sizeBytes: number): void;
}

export function createBodyBudget(maxBytes: number): BodyBudget {
  let heldBytes = 0;
  return {
    take(sizeBytes) {
      if (heldBytes + sizeBytes > maxBytes) {
        throw new AppError('overloaded', 'too many request bodies at one time');
      }
      heldBytes += sizeBytes;
    },
    give(sizeBytes) {
      heldBytes -= sizeBytes;
    },
  };
}
