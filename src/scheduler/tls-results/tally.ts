/**
 * scheduler/tls-results/tally — counts how the TLS of sessions went, until it is written down.
 *
 * Pure; the time is an argument. Promises: every session is counted once, under its UTC day, domain,
 *           policy and problem; failed ones by host and addresses too. Bounded: past 20,000 counts a
 *           failed session goes to its domain's remainder, without host and addresses; past 40,000 it
 *           is only counted as lost.
 * Why:      a session costs a look into a map, and no round trip.
 */
import { createHash } from 'node:crypto';
import type { TlsResult } from '../../mta/tls/report.ts';

export interface ResultPolicy {
  /** Hex, 128 bits. */
  id: string;
  type: string;
  strings: readonly string[];
  mxHosts: readonly string[];
  lastDay: string;
}

export interface ResultCount {
  /** Hex, 128 bits. */
  id: string;
  /** `2026-03-01`, UTC. */
  day: string;
  domain: string;
  policy: string;
  /** null: as the policy wants it. */
  problem: string | null;
  mxHost: string | null;
  receivingIp: string | null;
  sendingIp: string | null;
  detail: string | null;
  count: number;
}

export interface Counted {
  policies: ResultPolicy[];
  counts: ResultCount[];
  /** Sessions that there was no room for. */
  lost: number;
}

export interface Tally {
  add(result: TlsResult, at: Date): void;
  size(): number;
  /** All of it, and begins anew. Sorted by id, so that two writers never wait in a circle. */
  take(): Counted;
}

export interface TallyLimits {
  detailed: number;
  all: number;
}

const LIMITS: TallyLimits = { detailed: 20_000, all: 40_000 };

export function createTally(limits: TallyLimits = LIMITS): Tally {
  let counts = new Map<string, { result: TlsResult; day: string; count: number }>();
  let lost = 0;

  function add(result: TlsResult, at: Date): void {
    const day = at.toISOString().slice(0, 10);
    const full = counts.size >= limits.detailed;
    if (count(result.problem === null ? plain(result) : result, day, full)) return;
    if (!count(plain(result), day, counts.size >= limits.all)) lost += 1;
  }

  /** Whether it was; nothing new begins when `full`. */
  function count(result: TlsResult, day: string, full: boolean): boolean {
    const key = keyOf(result, day);
    const known = counts.get(key);
    if (known !== undefined) known.count += 1;
    else if (full) return false;
    else counts.set(key, { result, day, count: 1 });
    return true;
  }

  return {
    add,
    size: () => counts.size,
    take() {
      const taken = describe(counts, lost);
      counts = new Map();
      lost = 0;
      return taken;
    },
  };
}

function plain(result: TlsResult): TlsResult {
  return { ...result, mxHost: null, receivingIp: null, sendingIp: null };
}

/** What was seen is not a part of it: the first of them stands for all. */
function keyOf({ policy, problem, mxHost, receivingIp, sendingIp }: TlsResult, day: string) {
  const { domain, type, strings, mxHosts } = policy;
  const what = problem?.type ?? null;
  return JSON.stringify([
    day,
    domain,
    type,
    strings,
    mxHosts,
    what,
    mxHost,
    receivingIp,
    sendingIp,
  ]);
}

function describe(
  counts: ReadonlyMap<string, { result: TlsResult; day: string; count: number }>,
  lost: number,
): Counted {
  const policies = new Map<string, ResultPolicy>();
  const rows = [...counts].map(([key, { result, day, count }]): ResultCount => {
    const { policy, problem, ...where } = result;
    const { domain, type, strings, mxHosts } = policy;
    const id = digest(JSON.stringify([type, strings, mxHosts]));
    const lastDay = maxOf(policies.get(id)?.lastDay ?? '', day);
    policies.set(id, { id, type, strings, mxHosts, lastDay });
    return {
      id: digest(key),
      day,
      domain,
      policy: id,
      problem: problem?.type ?? null,
      ...where,
      detail: problem?.detail ?? null,
      count,
    };
  });
  return { policies: [...policies.values()].sort(byId), counts: rows.sort(byId), lost };
}

function maxOf(a: string, b: string): string {
  return a > b ? a : b;
}

function byId(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : 1;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
