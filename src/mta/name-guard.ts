/**
 * mta/name-guard — notices a DNS server that denies everything.
 *
 * Pure. A captive network, a broken forwarder or a half-loaded resolver says NXDOMAIN to every name;
 * believed, that bounces a whole list and puts it on the suppression list.
 *
 * Promises: `isAbsurd` when 90 % of the last 200 distinct domains do not exist, once 50 are known; and
 *           already with five when not a single one of them does. Real lists, old and bought ones
 *           too, have a few percent of dead domains. It ends by itself as domains are found again.
 */
export interface NameGuard {
  /** The DNS has said that `domain` does not exist (or takes no mail), or that it does. */
  observe(domain: string, denied: boolean): void;
  isAbsurd(): boolean;
  counts(): { domains: number; denied: number };
}

const WINDOW = 200;
const LEAST = 50;
const SHARE = 0.9;
/** So few are proof when nothing else was ever found. */
const LEAST_ALL_DENIED = 5;

export function createNameGuard(): NameGuard {
  /** In the order they were last asked for. */
  const window = new Map<string, boolean>();
  let denied = 0;

  function forget(domain: string): void {
    if (window.get(domain) === true) denied -= 1;
    window.delete(domain);
  }

  return {
    observe(domain, isDenied) {
      forget(domain);
      window.set(domain, isDenied);
      if (isDenied) denied += 1;
      const [oldest] = window.keys();
      if (window.size > WINDOW && oldest !== undefined) forget(oldest);
    },
    isAbsurd() {
      if (window.size >= LEAST) return denied / window.size >= SHARE;
      return denied === window.size && denied >= LEAST_ALL_DENIED;
    },
    counts: () => ({ domains: window.size, denied }),
  };
}
