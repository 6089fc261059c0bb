/**
 * mta/answer-cache — remembers answers as long as they hold.
 *
 * Promises: one load per key at a time, however many ask (single flight). A stale answer is given at
 *           once while a fresh one is loaded behind it, so a hot domain never waits for the DNS; when
 *           that load fails, the stale one goes on for up to a day (`staleMs`). At most `maxEntries`;
 *           the longest unused goes first.
 * Fails:    when `load` rejects, so does `get`; nothing is remembered of it.
 */
export interface Loaded<T> {
  value: T;
  ttlMs: number;
  /** Not an answer, only the lack of one: never replaces an answer. */
  isFailure: boolean;
  /** Instead of the cache's. 0: no longer than it holds. */
  staleMs?: number;
}

export interface AnswerCache<T> {
  get(key: string, load: () => Promise<Loaded<T>>): Promise<T>;
  size(): number;
}

interface Entry<T> {
  value: T;
  isFailure: boolean;
  freshUntilMs: number;
  staleUntilMs: number;
}

const STALE_MS = 86_400_000;
const RETRY_STALE_MS = 30_000;

interface Cache<T> {
  maxEntries: number;
  staleMs: number;
  nowMs: () => number;
  entries: Map<string, Entry<T>>;
  loading: Map<string, Promise<T>>;
}

/** `staleMs` 0: everybody waits for a fresh answer. */
export function createAnswerCache<T>(
  maxEntries: number,
  nowMs: () => number,
  staleMs: number = STALE_MS,
): AnswerCache<T> {
  const cache: Cache<T> = { maxEntries, staleMs, nowMs, entries: new Map(), loading: new Map() };
  return {
    get: (key, load) => get(cache, key, load),
    size: () => cache.entries.size,
  };
}

async function get<T>(cache: Cache<T>, key: string, load: () => Promise<Loaded<T>>): Promise<T> {
  const entry = cache.entries.get(key);
  if (entry !== undefined) {
    cache.entries.delete(key);
    cache.entries.set(key, entry);
    if (cache.nowMs() < entry.freshUntilMs) return entry.value;
  }
  const loading = cache.loading.get(key) ?? refresh(cache, key, load);
  if (entry === undefined || entry.isFailure || cache.nowMs() >= entry.staleUntilMs) return loading;
  loading.catch(() => undefined); // The next one to ask hears of it.
  return entry.value;
}

function refresh<T>(cache: Cache<T>, key: string, load: () => Promise<Loaded<T>>): Promise<T> {
  const loading = load()
    .then((loaded) => remember(cache, key, loaded))
    .finally(() => cache.loading.delete(key));
  cache.loading.set(key, loading);
  return loading;
}

function remember<T>(cache: Cache<T>, key: string, loaded: Loaded<T>): T {
  const nowMs = cache.nowMs();
  const old = cache.entries.get(key);
  if (loaded.isFailure && old !== undefined && !old.isFailure && nowMs < old.staleUntilMs) {
    old.freshUntilMs = nowMs + RETRY_STALE_MS;
    return old.value;
  }
  const freshUntilMs = nowMs + loaded.ttlMs;
  cache.entries.delete(key);
  cache.entries.set(key, {
    value: loaded.value,
    isFailure: loaded.isFailure,
    freshUntilMs,
    staleUntilMs: freshUntilMs + (loaded.staleMs ?? cache.staleMs),
  });
  if (cache.entries.size > cache.maxEntries) {
    const [oldest] = cache.entries.keys();
    if (oldest !== undefined) cache.entries.delete(oldest);
  }
  return loaded.value;
}
