/**
 * scheduler/tls-policies/store — SQL of `sts_policies`: MTA-STS policies outlast a restart (RFC 8461
 * 3.3: a policy holds until it expires, not until the process ends).
 */
import type { Db } from '../../kernel/postgres/connect.ts';
import type { StsPolicy } from '../../mta/tls/sts-policy.ts';

/** Those that hold now, the latest first. */
export async function selectStsPolicies(db: Db, now: Date, limit: number): Promise<StsPolicy[]> {
  return db<StsPolicy[]>`
    select domain, policy_id as id, mode, mx, fetched_at, expires_at
    from sts_policies
    where expires_at > ${now}
    order by fetched_at desc
    limit ${limit}`;
}

/** Of two nodes that fetch at one time the later one stands. */
export async function saveStsPolicy(db: Db, policy: StsPolicy): Promise<void> {
  await db`
    insert into sts_policies (domain, policy_id, mode, mx, fetched_at, expires_at)
    values (${policy.domain}, ${policy.id}, ${policy.mode}, ${[...policy.mx]}::text[],
      ${policy.fetchedAt}, ${policy.expiresAt})
    on conflict (domain) do update
    set policy_id = excluded.policy_id, mode = excluded.mode, mx = excluded.mx,
      fetched_at = excluded.fetched_at, expires_at = excluded.expires_at
    where sts_policies.fetched_at <= excluded.fetched_at`;
}

export async function purgeStsPolicies(db: Db, now: Date): Promise<void> {
  await db`delete from sts_policies where expires_at <= ${now}`;
}
