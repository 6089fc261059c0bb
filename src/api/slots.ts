/**
 * api/slots — how many long requests (uploads, imports, exports) run at one time.
 *
 * Promises: at most `count` hold a slot; the next one is refused at once with `overloaded`, instead
 *           of waiting with a body on the wire.
 * Why:      an upload, an import, a report hold a database connection for as long as their client takes,
 *           and a handful of slow clients would leave none for the engine.
 */
import { AppError } from '../kernel/errors.ts';

export interface Slots {
  /** Answers the way to give it back; calling that twice does no harm. */
  take(): () => void;
}

export function createSlots(count: number): Slots {
  let taken = 0;
  return {
    take() {
      if (taken >= count) {
        throw new AppError('overloaded', `${count} uploads and exports are running already`);
      }
      taken += 1;
      let held = true;
      return () => {
        if (held) taken -= 1;
        held = false;
      };
    },
  };
}
