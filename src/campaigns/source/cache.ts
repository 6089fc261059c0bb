/**
 * campaigns/source/cache — the last few campaigns opened, kept compiled.
 *
 * Promises: bounded; two callers at once share one load; a load that failed is not kept.
 */
export interface Cache<T> {
  get(key: bigint, load: () => Promise<T>): Promise<T>;
  /** What is being loaded now is not kept either. */
  clear(): void;
}

export function createCache<T>(limit: number): Cache<T> {
  const entries = new Map<bigint, Promise<T>>();
  return {
    get(key, load) {
      const known = entries.get(key);
      // Put back as the youngest: a Map keeps the order of insertion.
      if (known !== undefined) {
        entries.delete(key);
        entries.set(key, known);
        return known;
      }
      const loading = load();
      entries.set(key, loading);
      loading.catch(() => {
        if (entries.get(key) === loading) entries.delete(key);
      });
      for (const oldest of entries.keys()) {
        if (entries.size <= limit) break;
        entries.delete(oldest);
      }
      return loading;
    },
    clear: () => entries.clear(),
  };
}
