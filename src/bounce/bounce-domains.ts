/**
 * bounce/bounce-domains — the domains whose mail is ours: the bounce domains of the senders.
 *
 * Promises: one look into the database a second, however many ask; a new sender's domain is known a
 *           second later.
 * Fails:    rejects when the database is away and the last answer is older than that: a recipient is
 *           then neither taken nor refused for good (451).
 */
import type { Clock } from '../kernel/clock.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { findBounceDomains } from './store.ts';

const FRESH_MS = 1_000;

export interface BounceDomains {
  has(domain: string): Promise<boolean>;
}

export function createBounceDomains(sql: Sql, clock: Clock): BounceDomains {
  let readAt = Number.NEGATIVE_INFINITY;
  let domains: Promise<Set<string>> | null = null;

  async function read(): Promise<Set<string>> {
    try {
      return new Set(await findBounceDomains(sql));
    } catch (error) {
      domains = null;
      throw error;
    }
  }

  return {
    async has(domain) {
      const now = clock().getTime();
      if (domains === null || now - readAt >= FRESH_MS) {
        readAt = now;
        domains = read();
      }
      return (await domains).has(domain);
    },
  };
}
