/**
 * scheduler/record/store — the SQL that makes outcomes durable. The commit point of a delivery.
 *
 * Promises: a delivery changes only while its batch is claimed by the caller, so a process that
 *           lost its lease can neither send (the mark fails) nor overwrite what another one did.
 *           What does not apply is not returned, and the caller says so.
 */
import { bigints, times } from '../../kernel/postgres/arrays.ts';
import type { PendingQuery, Row } from 'postgres';
import type { Db } from '../../kernel/postgres/connect.ts';
import type { Span } from './span.ts';

/** The write-ahead mark: these may be on the wire from now on. Returns how many of each span are. */
export async function markSending(
  db: Db,
  owner: string,
  spans: readonly Span[],
): Promise<number[]> {
  const rows = await db<{ n: number; count: number }[]>`
    with marked as (
      update deliveries d set state = 'sending'
      from (
        select c.* from unnest(${firsts(spans)}::bigint[], ${lasts(spans)}::bigint[],
          ${batchIds(spans)}::bigint[]) with ordinality as c(first, last, batch_id, n)
        ${whileOurs(db, owner)}
      ) c
      where d.id between c.first and c.last and d.state in ('pending', 'sending')
      returning c.n
    )
    select n::int, count(*)::int as count from marked group by n`;
  const counts = spans.map(() => 0);
  for (const { n, count } of rows) counts[n - 1] = count;
  return counts;
}

export interface StateChange extends Span {
  state: string;
  class: string | null;
  nextAttemptAt: Date | null;
  counted: boolean;
}

export interface Applied {
  /** Attempts of each delivery of the span by now. */
  attempts: number;
  /** Those that took the state; null: all of them. */
  deliveryIds: Set<bigint> | null;
}

/** Applies states; returns, change by change, what took effect, and null where nothing did. */
export async function applyStates(
  db: Db,
  owner: string,
  changes: readonly StateChange[],
): Promise<(Applied | null)[]> {
  const rows = await db<{ n: number; attempts: number; ids: string[] | null }[]>`
    with applied as (
      update deliveries d set state = c.state::delivery_state, class = c.class,
        next_attempt_at = c.next_attempt_at, attempts = least(d.attempts::int + c.counted, 32767)
      from (
        select c.* from unnest(
          ${firsts(changes)}::bigint[], ${lasts(changes)}::bigint[], ${batchIds(changes)}::bigint[],
          ${changes.map((c) => c.state)}::text[], ${changes.map((c) => c.class)}::text[],
          ${times(changes.map((c) => c.nextAttemptAt))}::timestamptz[],
          ${changes.map((c) => (c.counted ? 1 : 0))}::smallint[]
        ) with ordinality as c(first, last, batch_id, state, class, next_attempt_at, counted, n)
        ${whileOurs(db, owner)}
      ) c
      where d.id between c.first and c.last and d.state in ('pending', 'sending')
      returning c.n, c.first, c.last, d.id, d.attempts
    )
    select n::int, min(attempts) as attempts,
      case when count(*) <= max(last) - min(first) then array_agg(id::text) end as ids
    from applied group by n`;
  const applied: (Applied | null)[] = changes.map(() => null);
  for (const { n, attempts, ids } of rows) {
    const deliveryIds = ids === null ? null : new Set(ids.map(BigInt));
    applied[n - 1] = { attempts, deliveryIds };
  }
  return applied;
}

/**
 * Only the changes whose batch is claimed by `owner`: one probe of the primary key each. `offset 0` is
 * a fence. Joined freely, the planner compared every change with every claimed batch: 200,000
 * recipients in single copies took 39 us of CPU each for mark and state, 10 so.
 */
function whileOurs(db: Db, owner: string): PendingQuery<Row[]> {
  return db`cross join lateral (
    select 1 from batches b
    where b.id = c.batch_id and b.owner = ${owner} and b.state = 'claimed' offset 0
  ) ours`;
}

const firsts = (spans: readonly Span[]): string[] => spans.map((s) => String(s.firstDeliveryId));
const lasts = (spans: readonly Span[]): string[] => spans.map((s) => String(s.lastDeliveryId));
const batchIds = (spans: readonly Span[]): string[] => spans.map((s) => String(s.batchId));

export interface DeliveryEvent {
  at: Date;
  kind: string;
  campaignId: bigint;
  deliveryId: bigint;
  /** Of a span: the event is of all its deliveries. */
  lastDeliveryId: bigint | null;
  class: string | null;
  rule: string | null;
  attempt: number;
  stage: string | null;
  mxHost: string | null;
  mxAddress: string | null;
  sourceAddress: string | null;
  replyCode: number | null;
  enhancedCode: string | null;
  replyText: string | null;
  tls: string | null;
  tlsVerified: boolean | null;
  tlsPolicy: string | null;
  durationMs: number | null;
}

export async function appendDeliveryEvents(db: Db, rows: readonly DeliveryEvent[]): Promise<void> {
  await db`
    insert into events (at, kind, campaign_id, delivery_id, last_delivery_id, class, rule, attempt, stage, mx_host,
      mx_address, source_address, reply_code, enhanced_code, reply_text, tls, tls_verified,
      tls_policy, duration_ms)
    select * from unnest(
      ${times(rows.map((r) => r.at))}::timestamptz[], ${rows.map((r) => r.kind)}::text[],
      ${bigints(rows.map((r) => r.campaignId))}::bigint[], ${bigints(rows.map((r) => r.deliveryId))}::bigint[],
      ${rows.map((r) => r.lastDeliveryId?.toString() ?? null)}::bigint[], ${rows.map((r) => r.class)}::text[], ${rows.map((r) => r.rule)}::text[],
      ${rows.map((r) => r.attempt)}::smallint[], ${rows.map((r) => r.stage)}::text[],
      ${rows.map((r) => r.mxHost)}::text[], ${rows.map((r) => r.mxAddress)}::text[],
      ${rows.map((r) => r.sourceAddress)}::text[],
      ${rows.map((r) => r.replyCode)}::smallint[], ${rows.map((r) => r.enhancedCode)}::text[],
      ${rows.map((r) => r.replyText)}::text[], ${rows.map((r) => r.tls)}::text[],
      ${rows.map((r) => (r.tlsVerified === null ? null : String(r.tlsVerified)))}::text[]::boolean[],
      ${rows.map((r) => r.tlsPolicy)}::text[],
      ${rows.map((r) => r.durationMs)}::integer[])`;
}
