/**
 * bench/suppression-files — the suppression list over HTTP: check, import with its rejects, export.
 *
 * Every answer is checked; what is wrong with it is a fault of the run.
 */
import { Readable } from 'node:stream';
import type { EngineProcess } from './engine.ts';
import { knownAddress } from './fill-suppressions.ts';

const WRONG_EVERY = 50;
const KNOWN_EVERY = 10;
const CHUNK_ROWS = 2_000;
const LINE_END = 10;

interface ImportAnswer {
  rows: number;
  added: number;
  unchanged: number;
  rejected: number;
  rejects_url: string;
}

export class SuppressionFiles {
  readonly faults: string[] = [];
  readonly #engine: EngineProcess;
  readonly #entries: number;
  readonly #rows: number;
  #answer: ImportAnswer | undefined;

  constructor(engine: EngineProcess, entries: number) {
    this.#engine = engine;
    this.#entries = entries;
    this.#rows = Math.ceil(entries / 10);
  }

  async check(emails: readonly string[], suppressed: number): Promise<void> {
    const { data } = await this.#engine.api.post<{ data: { suppressed: boolean }[] }>(
      '/v1/suppressions/check',
      { emails },
    );
    const found = data.filter((row) => row.suppressed).length;
    if (found !== suppressed) this.faults.push(`${found} of ${suppressed} were found`);
  }

  async import(): Promise<{ rows: number; seconds: number }> {
    const beganMs = performance.now();
    const response = await this.#fetch('/v1/suppressions/import', {
      method: 'POST',
      contentType: 'text/csv',
      body: Readable.toWeb(Readable.from(this.#csv())),
      duplex: 'half',
    });
    const answer = (await response.json()) as ImportAnswer;
    const seconds = (performance.now() - beganMs) / 1_000;
    const rejected = Math.ceil(this.#rows / WRONG_EVERY);
    if (answer.rows !== this.#rows || answer.rejected !== rejected) {
      this.faults.push(`import: ${JSON.stringify({ ...answer, rejects: null })}`);
    }
    this.#answer = answer;
    return { rows: this.#rows, seconds };
  }

  async readRejects(): Promise<void> {
    const { rejects_url: path = '', rejected = 0 } = this.#answer ?? {};
    const lines = await this.#countLines(path);
    if (lines !== rejected + 1) this.faults.push(`${lines} lines of rejects, ${rejected} rejected`);
  }

  /** The growth is of the highest RSS during the export over that before it; null: not known. */
  async export(): Promise<{ rows: number; seconds: number; rssGrowthBytes: number | null }> {
    const before = this.#engine.rssBytes();
    let peak = before ?? 0;
    const watch = setInterval(() => {
      peak = Math.max(peak, this.#engine.rssBytes() ?? 0);
    }, 20);
    const beganMs = performance.now();
    const lines = await this.#countLines('/v1/suppressions/export');
    const seconds = (performance.now() - beganMs) / 1_000;
    clearInterval(watch);
    // Of the recipients a tenth, and what was added.
    const wanted = this.#entries + Math.floor(this.#rows / 10) + (this.#answer?.added ?? 0);
    if (lines !== wanted + 1) this.faults.push(`${lines} lines exported of ${wanted + 1}`);
    return { rows: wanted, seconds, rssGrowthBytes: before === null ? null : peak - before };
  }

  async #countLines(path: string): Promise<number> {
    const response = await this.#fetch(path, {});
    let lines = 0;
    for await (const piece of response.body as ReadableStream<Uint8Array>) {
      for (let at = piece.indexOf(LINE_END); at >= 0; at = piece.indexOf(LINE_END, at + 1)) {
        lines += 1;
      }
    }
    return lines;
  }

  async #fetch(path: string, options: RequestInit & { contentType?: string }): Promise<Response> {
    const { apiUrl, key } = this.#engine;
    const { contentType, ...init } = options;
    const headers = new Headers({ authorization: `Bearer ${key}` });
    if (contentType !== undefined) headers.set('content-type', contentType);
    const response = await fetch(apiUrl + path, { ...init, headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  *#csv(): Generator<Buffer> {
    let text = 'email,reason,evidence\r\n';
    for (let i = 0; i < this.#rows; i += 1) {
      text += `${this.#importedAddress(i)},hard_bounce,550 5.1.1 no such user\r\n`;
      if (i % CHUNK_ROWS !== CHUNK_ROWS - 1) continue;
      yield Buffer.from(text);
      text = '';
    }
    yield Buffer.from(text);
  }

  #importedAddress(i: number): string {
    if (i % WRONG_EVERY === 0) return `row ${i} is no address`;
    if (i % KNOWN_EVERY === 3) return knownAddress((i * 9) % this.#entries);
    return knownAddress(this.#entries + i);
  }
}
