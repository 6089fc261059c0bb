/**
 * bounce/rate-limit — how many messages a peer may bring in a minute: a bucket of tokens for each.
 *
 * Promises: a peer gets `perMinute` at once and then one every 60/perMinute seconds. Memory is bounded:
 *           with `MAX_TRACKED` peers in it, those whose buckets are full again are forgotten, and when
 *           there are none, all are.
 */
export interface RateLimit {
  /** False when the bucket is empty. */
  take(peer: string): boolean;
}

interface Bucket {
  tokens: number;
  /** When `tokens` was right, ms. */
  at: number;
}

const MINUTE_MS = 60_000;
const MAX_TRACKED = 20_000;

export function createRateLimit(perMinute: number, now: () => number): RateLimit {
  const buckets = new Map<string, Bucket>();

  const refill = (bucket: Bucket, at: number): void => {
    const passed = Math.max(at - bucket.at, 0);
    bucket.tokens = Math.min(perMinute, bucket.tokens + (passed * perMinute) / MINUTE_MS);
    bucket.at = at;
  };
  const forget = (at: number): void => {
    for (const [peer, bucket] of buckets) {
      refill(bucket, at);
      if (bucket.tokens >= perMinute) buckets.delete(peer);
    }
    if (buckets.size >= MAX_TRACKED) buckets.clear();
  };

  return {
    take(peer) {
      const at = now();
      let bucket = buckets.get(peer);
      if (bucket === undefined) {
        if (buckets.size >= MAX_TRACKED) forget(at);
        bucket = { tokens: perMinute, at };
        buckets.set(peer, bucket);
      }
      refill(bucket, at);
      if (bucket.tokens < 1) return false;
      bucket.tokens -= 1;
      return true;
    },
  };
}
