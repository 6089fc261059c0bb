/**
 * mta/host-memory — what is remembered about receiving hosts for a while.
 *
 * Pure; the time is an argument. A host is `address:port`.
 *
 * Promises: a host that could not be used is not tried again for a minute, so that a thousand
 *           messages for it cost one probe. A host whose TLS is broken is spoken to in clear for three
 *           days (only opportunistic TLS asks). How many recipients a site takes in a transaction is
 *           kept for a day, how many messages on a connection for an hour, that a site which offers
 *           PIPELINING loses commands of a pipeline for an hour, that a train was lost for a day.
 *           Bounded: 10,000 entries of each kind, the oldest goes first. Losing it is harmless.
 */
import type { SessionEnd } from './session.ts';

export interface HostMemory {
  failure(host: string, nowMs: number): SessionEnd | null;
  rememberFailure(host: string, end: SessionEnd, nowMs: number): void;
  hasBrokenTls(host: string, nowMs: number): boolean;
  rememberBrokenTls(host: string, nowMs: number): void;
  maxRecipients(site: string, nowMs: number): number | null;
  rememberMaxRecipients(site: string, count: number, nowMs: number): void;
  maxMessages(site: string, nowMs: number): number | null;
  rememberMaxMessages(site: string, count: number, nowMs: number): void;
  isUnpipelined(site: string, nowMs: number): boolean;
  rememberUnpipelined(site: string, nowMs: number): void;
  /** A connection was lost there with several messages in doubt (train.ts). */
  hasBrokenTrain(site: string, nowMs: number): boolean;
  rememberBrokenTrain(site: string, nowMs: number): void;
}

export interface HostMemoryOptions {
  failureMs?: number;
  brokenTlsMs?: number;
  maxRecipientsMs?: number;
  maxMessagesMs?: number;
  unpipelinedMs?: number;
  brokenTrainMs?: number;
}

const MAX_ENTRIES = 10_000;

export function createHostMemory(options: HostMemoryOptions = {}): HostMemory {
  const failures = createStore<SessionEnd>(options.failureMs ?? 60_000);
  const brokenTls = createStore<true>(options.brokenTlsMs ?? 3 * 86_400_000);
  const recipients = createStore<number>(options.maxRecipientsMs ?? 86_400_000);
  const messages = createStore<number>(options.maxMessagesMs ?? 3_600_000);
  const unpipelined = createStore<true>(options.unpipelinedMs ?? 3_600_000);
  const brokenTrain = createStore<true>(options.brokenTrainMs ?? 86_400_000);
  return {
    failure: (host, nowMs) => failures.get(host, nowMs),
    rememberFailure: (host, end, nowMs) => failures.set(host, end, nowMs),
    hasBrokenTls: (host, nowMs) => brokenTls.get(host, nowMs) !== null,
    rememberBrokenTls: (host, nowMs) => brokenTls.set(host, true, nowMs),
    maxRecipients: (site, nowMs) => recipients.get(site, nowMs),
    rememberMaxRecipients: (site, count, nowMs) => recipients.set(site, count, nowMs),
    maxMessages: (site, nowMs) => messages.get(site, nowMs),
    rememberMaxMessages: (site, count, nowMs) => messages.set(site, count, nowMs),
    isUnpipelined: (site, nowMs) => unpipelined.get(site, nowMs) !== null,
    rememberUnpipelined: (site, nowMs) => unpipelined.set(site, true, nowMs),
    hasBrokenTrain: (site, nowMs) => brokenTrain.get(site, nowMs) !== null,
    rememberBrokenTrain: (site, nowMs) => brokenTrain.set(site, true, nowMs),
  };
}

interface Store<T> {
  get(key: string, nowMs: number): T | null;
  set(key: string, value: T, nowMs: number): void;
}

function createStore<T>(holdMs: number): Store<T> {
  const entries = new Map<string, { value: T; untilMs: number }>();
  return {
    get(key, nowMs) {
      const entry = entries.get(key);
      if (entry === undefined) return null;
      if (nowMs < entry.untilMs) return entry.value;
      entries.delete(key);
      return null;
    },
    set(key, value, nowMs) {
      entries.delete(key);
      entries.set(key, { value, untilMs: nowMs + holdMs });
      if (entries.size <= MAX_ENTRIES) return;
      const [oldest] = entries.keys();
      if (oldest !== undefined) entries.delete(oldest);
    },
  };
}
