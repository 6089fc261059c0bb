/** bounce/unmatched/store — SQL of `unmatched_replies`: counted, listed, purged. */
import { createHash } from 'node:crypto';
import type { unmatchedReplies } from '../../../drizzle/schema.ts';
import type { Db, Tx } from '../../kernel/postgres/connect.ts';
import { plainText } from '../suppressions/entry.ts';
import { sameness } from '../unmatched.ts';
import type { UnmatchedReply } from '../unmatched.ts';

export type UnmatchedRow = Omit<typeof unmatchedReplies.$inferSelect, 'fingerprint'>;

interface Group {
  fingerprint: string;
  reply: UnmatchedReply;
  count: number;
}

/** In the order of the fingerprints, so that two writers never wait for each other in a circle. */
export async function countUnmatched(tx: Tx, replies: readonly UnmatchedReply[]): Promise<void> {
  if (replies.length === 0) return;
  const groups = groupsOf(replies);
  await tx`
    insert into unmatched_replies as u (fingerprint, sample, code, enhanced, stage, class, domain,
      count, first_seen, last_seen)
    select decode(fingerprint, 'hex'), sample, code, enhanced, stage, class, domain, count, at, at
    from unnest(
      ${groups.map((group) => group.fingerprint)}::text[],
      ${groups.map(({ reply }) => plainText(reply.text) ?? '')}::text[],
      ${groups.map(({ reply }) => reply.code)}::smallint[],
      ${groups.map(({ reply }) => reply.enhanced)}::text[],
      ${groups.map(({ reply }) => reply.stage)}::text[],
      ${groups.map(({ reply }) => reply.class)}::text[],
      ${groups.map(({ reply }) => reply.domain)}::text[],
      ${groups.map((group) => group.count)}::bigint[],
      ${groups.map(({ reply }) => reply.at.toISOString())}::text[]::timestamptz[]
    ) as row (fingerprint, sample, code, enhanced, stage, class, domain, count, at)
    on conflict (fingerprint) do update set
      count = u.count + excluded.count,
      domain = excluded.domain,
      last_seen = greatest(u.last_seen, excluded.last_seen)`;
}

function groupsOf(replies: readonly UnmatchedReply[]): Group[] {
  const groups = new Map<string, Group>();
  for (const reply of replies) {
    const fingerprint = createHash('sha256').update(sameness(reply)).digest('hex');
    const group = groups.get(fingerprint);
    if (group === undefined) groups.set(fingerprint, { fingerprint, reply, count: 1 });
    else group.count += 1;
  }
  return [...groups.values()].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
}

/** Most frequent first. */
export async function listUnmatched(db: Db, limit: number): Promise<UnmatchedRow[]> {
  return await db<UnmatchedRow[]>`
    select sample, code, enhanced, stage, class, domain, count, first_seen, last_seen
    from unmatched_replies order by count desc, last_seen desc limit ${limit}`;
}

/** Those not heard for 90 days, and the rarest beyond 10,000. */
export async function purgeUnmatched(db: Db): Promise<void> {
  await db`
    delete from unmatched_replies
    where last_seen < now() - interval '90 days' or fingerprint in (
      select fingerprint from unmatched_replies order by count desc, last_seen desc offset 10000)`;
}
