/**
 * range/incident — what goes wrong with a conversation at one of its stages, with odds.
 *
 * Pure. Beside `behaviour.ts`, which is about recipients: an incident strikes whoever is there, so it
 * says nothing of what becomes of an address, and the default world has none.
 *
 * Promises: the n-th time a stage is reached at a domain the same happens in every run of one seed.
 *           A command that meets a reply, a close or garbage has no effect, and a message that meets
 *           one in place of the answer to its dot was not taken. A delay delays, and nothing else.
 */
import { chance } from './random.ts';

export const INCIDENT_STAGES = [
  'connect',
  'ehlo',
  'starttls',
  'mail',
  'rcpt',
  'data',
  /** The answer to the final dot, or to BDAT LAST. */
  'dot',
  'rset',
  'quit',
] as const;
export type IncidentStage = (typeof INCIDENT_STAGES)[number];

export type Trouble =
  /** In place of the answer; one line, or several with CRLF between them. */
  | { kind: 'reply'; text: string }
  /** 421, then the end. */
  | { kind: 'busy' }
  /** The end without a word. */
  | { kind: 'close' }
  /** Bytes that are no reply, then silence. */
  | { kind: 'garbage' }
  | { kind: 'silence' }
  /** The ordinary answer, later. */
  | { kind: 'delay'; delayMs: number };

export interface Incident {
  at: IncidentStage;
  /** Of the times that the stage is reached. */
  percent: number;
  trouble: Trouble;
}

/** The first of the incidents at `at` that strikes the `count`-th time; each has its own odds. */
export function strike(
  incidents: readonly Incident[],
  at: IncidentStage,
  draw: { seed: number; domain: string; count: number },
): Trouble | null {
  for (const [i, incident] of incidents.entries()) {
    if (incident.at !== at) continue;
    const text = `${draw.domain} ${at} ${i} ${draw.count}`;
    if (chance(draw.seed, text) * 100 < incident.percent) return incident.trouble;
  }
  return null;
}
