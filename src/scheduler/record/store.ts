/**
 * scheduler/record/store — the SQL that makes outcomes durable. The commit point of a delivery.
 *
 * The write-ahead mark stands on the batch, as ranges of delivery ids; the delivery stays `pending`
 * until its outcome is recorded. In doubt is what is pending and marked.
 *
 * Promises: a delivery changes only while its batch is claimed by the caller, so a process that
 *           lost its lease can neither send (the mark fails) nor overwrite what another one did.
 *           What does not apply is not returned, and the caller says so.
 * Why the batch: a mark on each delivery was a new version of its row and two index entries. Measured
 *           with `bench -- end-to-end`, in PostgreSQL's time for the mark: 9.4 us a message before,
 *           0.7 after; 6.6 and 0.3 us a recipient in copies for a hundred; 0.3 KB less WAL for each.
 */
import { bigints, times } from '../../kernel/postgres/arrays.ts';
import type { PendingQuery, Row } from 'postgres';
import type { Db } from '../../kernel/postgres/connect.ts';
import type { BatchRanges, Mark, Span } from './span.ts';

/**
 * The write-ahead mark: these may be on the wire from now on. Returns the batches that took it. One row
 * a batch, and a HOT update, for all its deliveries of the commit.
 */
export async function markBatches(
  db: Db,
  owner: string,
  marks: readonly BatchRanges[],
): Promise<Set<bigint>> {
  const rows = await db<{ id: bigint }[]>`
    update batches set marked = marked + ${rangesOfRow(db, marks)}
    where id = any(array(${claimedOf(db, owner, marks)} order by id for update))
    returning id`;
  return new Set(rows.map((row) => row.id));
}

/** Takes them out again: they are not, or no longer, on the wire, and may be sent. */
export async function unmarkBatches(
  db: Db,
  owner: string,
  marks: readonly BatchRanges[],
): Promise<void> {
  await db`
    update batches set marked = marked - ${rangesOfRow(db, marks)}
    where id = any(array(
      ${claimedOf(db, owner, marks)} and marked && ${rangesOfRow(db, marks)} order by id for update))`;
}

/**
 * With `order by id for update`: locked in the order of their ids, as every statement over several
 * claimed batches does it, so that none waits for another in a circle. The update alone takes them in
 * the order of whatever index or page the planner likes.
 */
function claimedOf(db: Db, owner: string, marks: readonly BatchRanges[]): PendingQuery<Row[]> {
  return db`
    select id from batches
    where id = any(${bigints(marks.map((mark) => mark.batchId))}::bigint[])
      and state = 'claimed' and owner = ${owner}`;
}

/**
 * The ranges for a row of `batches`, at the place of its id among the sorted ones: joined with them, the
 * planner might read all batches. The select makes the array once, and not once a row.
 */
function rangesOfRow(db: Db, marks: readonly BatchRanges[]): PendingQuery<Row[]> {
  return db`(select ${marks.map((mark) => mark.ranges)}::text[]::int8multirange[])[
    width_bucket(id, ${bigints(marks.map((mark) => mark.batchId))}::bigint[])]`;
}

/**
 * Ends them as accepted. Returns the attempts of each delivery that was changed; those that follow one
 * another come as one.
 */
export async function applyAcceptances(
  db: Db,
  owner: string,
  spans: readonly Span[],
): Promise<Map<bigint, number>> {
  const islands = await db<{ first: bigint; last: bigint; attempts: number }[]>`
    with changed as (
      update deliveries set state = 'accepted', class = null, next_attempt_at = null,
        attempts = least(attempts::int + 1, 32767)
      where id = any(array(${openIn(db, owner, spans)})) and state = 'pending'
      returning id, attempts
    )
    select min(id) as first, max(id) as last, attempts
    from (
      select id, attempts, id - row_number() over (partition by attempts order by id) as island
      from changed
    ) each_one
    group by attempts, island`;
  const changed = new Map<bigint, number>();
  for (const { first, last, attempts } of islands) {
    for (let id = first; id <= last; id += 1n) changed.set(id, attempts);
  }
  return changed;
}

/**
 * The ids of the spans that may change, for `id = any(array(…))`: the planner takes the primary key
 * for that, whatever it believes of the table. With the spans joined to the deliveries it compared
 * every span with every delivery: 400 us of PostgreSQL's CPU a message (`npm run bench -- end-to-end`).
 */
function openIn(db: Db, owner: string, spans: readonly Span[]): PendingQuery<Row[]> {
  return db`
    select one.id
    from unnest(${bigints(spans.map((s) => s.firstDeliveryId))}::bigint[],
      ${bigints(spans.map((s) => s.lastDeliveryId))}::bigint[],
      ${bigints(spans.map((s) => s.batchId))}::bigint[]) as c(first, last, batch_id)
    cross join lateral generate_series(c.first, c.last) as one(id)
    ${whileOurs(db, owner)}`;
}

/**
 * Only what is of a batch claimed by `owner`: one probe of the primary key each. `offset 0` is a fence,
 * and nothing but the id is asked inside it. Joined freely, the planner compared every change with every
 * claimed batch; with the state inside, it walked a partial index for each, because the table had held
 * one row when it was last analysed: 4,700 messages a second instead of 8,300 (`bench -- end-to-end
 * --compare`, from the second round on).
 */
function whileOurs(db: Db, owner: string): PendingQuery<Row[]> {
  return db`
    cross join lateral (
      select b.owner, b.state from batches b where b.id = c.batch_id offset 0
    ) own
    where own.owner = ${owner} and own.state = 'claimed'`;
}

export interface StateChange extends Mark {
  state: string;
  class: string | null;
  nextAttemptAt: Date | null;
  counted: boolean;
}

/** Applies states one by one; returns the attempts of each delivery that took its state. */
export async function applyStates(
  db: Db,
  owner: string,
  changes: readonly StateChange[],
): Promise<Map<bigint, number>> {
  const rows = await db<{ id: bigint; attempts: number }[]>`
    update deliveries d set state = c.state::delivery_state, class = c.class,
      next_attempt_at = c.next_attempt_at, attempts = least(d.attempts::int + c.counted, 32767)
    from (
      select c.* from unnest(
        ${bigints(changes.map((c) => c.deliveryId))}::bigint[],
        ${bigints(changes.map((c) => c.batchId))}::bigint[],
        ${changes.map((c) => c.state)}::text[], ${changes.map((c) => c.class)}::text[],
        ${times(changes.map((c) => c.nextAttemptAt))}::timestamptz[],
        ${changes.map((c) => (c.counted ? 1 : 0))}::smallint[]
      ) as c(delivery_id, batch_id, state, class, next_attempt_at, counted)
      ${whileOurs(db, owner)}
    ) c
    where d.id = c.delivery_id and d.state = 'pending'
    returning d.id, d.attempts`;
  return new Map(rows.map((row) => [row.id, row.attempts]));
}

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
