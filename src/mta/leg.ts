/**
 * mta/leg — the part of a request that goes by one route.
 *
 * Pure. Routes change while mail is on its way. A leg ends its source as soon as the route is not
 * the domain's any more; what is left is sent by the next leg.
 *
 * Promises: nothing is pulled for a route that has been replaced. A source that has ended by itself,
 *           or was told of a site failure, is not asked again.
 */
import type { DeliveryRequest, Transaction } from './transaction.ts';

export interface Leg {
  source: DeliveryRequest;
  /** The route changed, and the source had more. */
  isCut(): boolean;
}

export function createLeg(source: DeliveryRequest, isCurrent: () => boolean): Leg {
  let cut = false;
  let ended = false;
  const noteEnd = (transaction: Transaction | null): Transaction | null => {
    if (transaction === null) ended = true;
    return transaction;
  };
  return {
    source: {
      ...source,
      next() {
        if (isCurrent()) return source.next().then(noteEnd);
        cut = true;
        return Promise.resolve(null);
      },
      onSiteFailure(failure) {
        ended = true;
        source.onSiteFailure(failure);
      },
    },
    isCut: () => cut && !ended,
  };
}
