/**
 * mta/tls/sts — which MTA-STS policy holds for a domain now (RFC 8461).
 *
 * Promises: a policy that was fetched once holds until its max_age is over, whatever becomes of the
 *           TXT record or the web server: whoever can suppress those must not switch TLS off. A new
 *           id, or a policy older than a day, has it fetched anew; while a policy is at hand nobody
 *           waits for that. One fetch a domain at a time; after one that failed, five minutes pause.
 *           A policy of shorter life (`max_age: 0`) is not fetched for every connection: it is good for
 *           five minutes while the same id is announced, and not one moment beyond its life when the
 *           record has gone or a fetch has failed.
 *           Policies are told to `save`, and known again after a restart (`known`).
 *           Bounded: 50,000 domains; the longest unused go first.
 * Fails:    as a finding without a policy and with the problem: mail goes on as if there were none.
 */
import type { Logger } from '../../kernel/log.ts';
import { messageOf } from '../../kernel/errors.ts';
import { createAnswerCache } from '../answer-cache.ts';
import type { AnswerCache, Loaded } from '../answer-cache.ts';
import type { DnsClient } from '../dns.ts';
import { lookupTxt } from '../txt.ts';
import { tlsProblem } from './problem.ts';
import type { TlsProblem } from './problem.ts';
import type { Fetched } from './sts-fetch.ts';
import { parseStsPolicy, parseStsRecord } from './sts-policy.ts';
import type { StsPolicy } from './sts-policy.ts';

export interface StsFinding {
  /** Not of mode `none`. */
  policy: StsPolicy | null;
  /** Why there is none although the domain announces one. */
  problem: TlsProblem | null;
  /** false: there may be one, the DNS or the domain's web server did not say. */
  isKnown: boolean;
}

export interface StsPolicies {
  policyOf(domain: string): Promise<StsFinding>;
  /** Fetches those again that are older than a day, so that they do not run out between mailings. */
  refresh(): Promise<void>;
  /** Ends what is being fetched. */
  close(): void;
}

export interface StsOptions {
  dns: DnsClient;
  fetch: (domain: string, signal: AbortSignal) => Promise<Fetched>;
  /** From the last run. */
  known: readonly StsPolicy[];
  save: (policy: StsPolicy) => Promise<void>;
  now: () => Date;
  log?: Logger;
}

const MAX_DOMAINS = 50_000;
const DAY_MS = 86_400_000;
const RETRY_MS = 300_000;
const LEAST_HOLD_MS = 300_000;
const NONE: StsFinding = { policy: null, problem: null, isKnown: true };

/** `id` null: no record, or (not `isKnown`) no answer. */
interface StsRecord {
  id: string | null;
  isKnown: boolean;
}

interface State {
  options: StsOptions;
  records: AnswerCache<StsRecord>;
  policies: Map<string, StsPolicy>;
  fetching: Map<string, Promise<TlsProblem | null>>;
  failed: Map<string, { id: string | null; problem: TlsProblem; untilMs: number }>;
  closing: AbortController;
  refreshing: Promise<void> | null;
}

export function createStsPolicies(options: StsOptions): StsPolicies {
  const nowMs = (): number => options.now().getTime();
  const state: State = {
    options,
    records: createAnswerCache(MAX_DOMAINS, nowMs),
    policies: new Map(),
    fetching: new Map(),
    failed: new Map(),
    closing: new AbortController(),
    refreshing: null,
  };
  // Newest first as they come; the oldest is the first to be dropped.
  for (const policy of options.known.toReversed()) remember(state, policy);
  return {
    policyOf: (domain) => findPolicy(state, domain),
    refresh() {
      state.refreshing ??= refresh(state).finally(() => (state.refreshing = null));
      return state.refreshing;
    },
    close: () => state.closing.abort(),
  };
}

async function findPolicy(state: State, domain: string): Promise<StsFinding> {
  const { id, isKnown } = await state.records.get(domain, () => loadRecord(state, domain));
  const held = heldPolicy(state, domain, id);
  if (id === null) return { ...finding(held, null), isKnown: isKnown || held !== null };
  if (held !== null) {
    // Behind the mail: what is held is good until it expires.
    if (held.id !== id || isOld(state, held)) void renew(state, domain, id);
    return finding(held, null);
  }
  const problem = await renew(state, domain, id);
  return finding(heldPolicy(state, domain, id), problem);
}

function finding(policy: StsPolicy | null, problem: TlsProblem | null): StsFinding {
  if (policy === null) return problem === null ? NONE : { policy: null, problem, isKnown: false };
  return policy.mode === 'none' ? NONE : { policy, problem: null, isKnown: true };
}

/** `id`: what is announced now; null: nothing. */
function heldPolicy(
  { policies, options, failed }: State,
  domain: string,
  id: string | null,
): StsPolicy | null {
  const policy = policies.get(domain);
  if (policy === undefined) return null;
  const now = options.now();
  if (now < policy.expiresAt) return policy;
  const ageMs = now.getTime() - policy.fetchedAt.getTime();
  if (ageMs < LEAST_HOLD_MS && policy.id === id && !failed.has(domain)) return policy;
  policies.delete(domain);
  return null;
}

function isOld({ options }: State, { fetchedAt }: StsPolicy): boolean {
  return options.now().getTime() - fetchedAt.getTime() >= DAY_MS;
}

async function loadRecord({ options }: State, domain: string): Promise<Loaded<StsRecord>> {
  const answer = await lookupTxt(options.dns, `_mta-sts.${domain}`);
  switch (answer.status) {
    case 'answer':
      return {
        value: { id: parseStsRecord(answer.texts), isKnown: true },
        ttlMs: between(answer.ttlSeconds, 60, 3_600),
        isFailure: false,
      };
    case 'none':
      return {
        value: { id: null, isKnown: true },
        ttlMs: between(answer.ttlSeconds, 60, 3_600),
        isFailure: false,
      };
    case 'unknown':
      return { value: { id: null, isKnown: false }, ttlMs: 60_000, isFailure: true };
  }
}

function between(seconds: number, least: number, most: number): number {
  return Math.min(Math.max(seconds, least), most) * 1_000;
}

/** The problem, or null when a policy was fetched. */
function renew(state: State, domain: string, id: string | null): Promise<TlsProblem | null> {
  const failure = state.failed.get(domain);
  const nowMs = state.options.now().getTime();
  if (failure?.id === id && nowMs < failure.untilMs) return Promise.resolve(failure.problem);
  const running = state.fetching.get(domain);
  if (running !== undefined) return running;
  const fetching = fetchAnew(state, domain, id).finally(() => state.fetching.delete(domain));
  state.fetching.set(domain, fetching);
  return fetching;
}

async function fetchAnew(
  state: State,
  domain: string,
  id: string | null,
): Promise<TlsProblem | null> {
  const { options, failed } = state;
  const fetched = await options.fetch(domain, state.closing.signal);
  const parsed = fetched.ok ? parseStsPolicy(fetched.text) : null;
  const now = options.now();
  if (parsed?.ok !== true) {
    const problem = fetched.ok
      ? tlsProblem('sts-policy-invalid', parsed?.reason ?? '')
      : fetched.problem;
    failed.delete(domain);
    failed.set(domain, { id, problem, untilMs: now.getTime() + RETRY_MS });
    dropOldest(failed);
    options.log?.debug({ domain, ...problem }, 'no MTA-STS policy');
    return problem;
  }
  const { mode, mx, maxAgeSeconds } = parsed;
  const expiresAt = new Date(now.getTime() + maxAgeSeconds * 1_000);
  const policy: StsPolicy = {
    domain,
    id: id ?? state.policies.get(domain)?.id ?? '',
    mode,
    mx,
    fetchedAt: now,
    expiresAt,
  };
  failed.delete(domain);
  remember(state, policy);
  try {
    await options.save(policy);
  } catch (error) {
    options.log?.warn({ domain, reason: messageOf(error) }, 'an MTA-STS policy was not saved');
  }
  return null;
}

function remember({ policies }: State, policy: StsPolicy): void {
  policies.delete(policy.domain);
  policies.set(policy.domain, policy);
  dropOldest(policies);
}

function dropOldest(entries: Map<string, unknown>): void {
  if (entries.size <= MAX_DOMAINS) return;
  const [oldest] = entries.keys();
  if (oldest !== undefined) entries.delete(oldest);
}

/** One after the other: nobody waits for it. */
async function refresh(state: State): Promise<void> {
  for (const domain of [...state.policies.keys()]) {
    if (state.closing.signal.aborted) return;
    const policy = heldPolicy(state, domain, null);
    if (policy !== null && isOld(state, policy)) await renew(state, domain, null);
  }
}
