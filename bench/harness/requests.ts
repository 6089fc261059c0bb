/**
 * bench/requests — GET requests one after another: p95 of each, and whether each answered something.
 *
 * Promises: an answer other than 2xx is a fault of the run, whichever request it was; so is a first answer
 *           with an empty list in it, because what is not there is found in no time.
 */
import { sample } from './bench.ts';
import type { Sample } from './bench.ts';
import type { EngineProcess } from './engine.ts';
import { quantile } from './rounds.ts';

/** Asks for each of `paths` so many times; its figure is called after its name. */
export async function askAll(
  engine: Pick<EngineProcess, 'apiUrl' | 'key'>,
  paths: Readonly<Record<string, string>>,
  requests: number,
): Promise<Sample> {
  const figures: Record<string, number> = {};
  const faults: string[] = [];
  const beganMs = performance.now();
  for (const [name, path] of Object.entries(paths)) {
    const timesMs: number[] = [];
    const wrong = new Set<string>();
    for (let i = 0; i < requests; i += 1) {
      const askedMs = performance.now();
      const response = await fetch(engine.apiUrl + path, {
        headers: { authorization: `Bearer ${engine.key}` },
      });
      const text = await response.text();
      timesMs.push(performance.now() - askedMs);
      if (!response.ok) wrong.add(`${response.status} ${text}`);
      else if (i === 0) for (const list of emptyLists(text)) wrong.add(`${list} is empty`);
    }
    faults.push(...[...wrong].map((what) => `GET ${path}: ${what}`));
    figures[`${name}P95Ms`] = quantile(timesMs, 0.95);
  }
  const seconds = (performance.now() - beganMs) / 1_000;
  return sample(requests * Object.keys(paths).length, seconds, { figures, faults });
}

/** What lists and reports answer with; others (allowed transitions, held providers) may well be empty. */
const ANSWERED = ['data', 'by_class'] as const;

/** Names of the answered lists that have nothing in them. */
export function emptyLists(text: string): string[] {
  const answer = JSON.parse(text) as Record<string, unknown>;
  return ANSWERED.filter((name) => Array.isArray(answer[name]) && answer[name].length === 0);
}

/** The date so many days from today, as a query has it. */
export function day(offset: number): string {
  return new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
}
