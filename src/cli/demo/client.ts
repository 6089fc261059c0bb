/**
 * cli/demo/client — the demo's own HTTP client: it uses the API as a customer would.
 *
 * Fails: with the problem document's detail when the API refuses.
 */
import { Readable } from 'node:stream';

export interface ApiClient {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
  /** Streams lines of NDJSON; nothing is held whole. */
  upload<T>(path: string, rows: Iterable<object>): Promise<T>;
  /** Every item of a keyset-paged list. */
  all<T>(path: string): AsyncIterable<T>;
}

export function createClient(baseUrl: string, key: string): ApiClient {
  const headers = { authorization: `Bearer ${key}` };

  async function call<T>(path: string, init: RequestInit): Promise<T> {
    const response = await fetch(`${baseUrl}${path}`, init);
    const body: unknown = await response.json();
    if (response.ok) return body as T;
    const detail = (body as { detail?: string }).detail ?? response.statusText;
    throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${detail}`);
  }

  const get = <T>(path: string): Promise<T> => call<T>(path, { headers });
  return {
    get,
    post: (path, body) =>
      call(path, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body ?? {}),
      }),
    upload: (path, rows) =>
      call(path, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/x-ndjson' },
        body: Readable.toWeb(Readable.from(lines(rows))),
        duplex: 'half',
      }),
    async *all<T>(path: string) {
      const joint = path.includes('?') ? '&' : '?';
      for (let cursor = ''; ;) {
        const page = await get<{ data: T[]; next_cursor: string | null }>(
          `${path}${joint}limit=100${cursor}`,
        );
        yield* page.data;
        if (page.next_cursor === null) return;
        cursor = `&after=${page.next_cursor}`;
      }
    },
  };
}

/** Chunks of some 500 rows: one write a row would cost more than the row. */
function* lines(rows: Iterable<object>): Generator<Buffer> {
  let text = '';
  for (const row of rows) {
    text += `${JSON.stringify(row)}\n`;
    if (text.length > 65_536) {
      yield Buffer.from(text);
      text = '';
    }
  }
  if (text !== '') yield Buffer.from(text);
}
