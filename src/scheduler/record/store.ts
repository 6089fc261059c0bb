/**
 * scheduler/record/store — the SQL that makes outcomes durable. The commit point of a delivery.
 *
 * Promises: a delivery changes only while its batch is claimed by the caller, so a process that
 *           lost its lease can neither send (the mark fails) nor overwrite what another one did.
 *           What does not apply is not returned, and the caller says so.
 */
import { bigints, times } from '../../kernel/postgres/arrays.ts';
import type { Db } from '../../kernel/postgres/connect.ts';

export interface Mark {
  deliveryId: bigint;
  batchId: bigint;
}

/** The write-ahead mark: these may be on the wire from now on. Returns those that are marked. */
export async function markSending(
  db: Db,
  owner: string,
  marks: readonly Mark[],
): Promise<Set<bigint>> {
  const rows = await db<{ id: bigint }[]>`
    update deliveries d set state = 'sending'
    from unnest(${bigints(marks.map((m) => m.deliveryId))}::bigint[], ${bigints(marks.map((m) => m.batchId))}::bigint[])
      as m(delivery_id, batch_id)
    join batches b on b.id = m.batch_id and b.owner = ${owner} and b.state = 'claimed'
    where d.id = m.delivery_id and d.state in ('pending', 'sending')
    returning d.id`;
  return new Set(rows.map((row) => row.id));
}

export interface StateChange extends Mark {
  state: string;
  class: string | null;
  nextAttemptAt: Date | null;
  counted: boolean;
}

/** Applies states; returns the attempt number of each delivery that took its state. */
export async function applyStates(
  db: Db,
  owner: string,
  changes: readonly StateChange[],
): Promise<Map<bigint, number>> {
  const rows = await db<{ id: bigint; attempts: number }[]>`
    update deliveries d set state = c.state::delivery_state, class = c.class,
      next_attempt_at = c.next_attempt_at, attempts = least(d.attempts::int + c.counted, 32767)
    from unnest(
      ${bigints(changes.map((c) => c.deliveryId))}::bigint[], ${bigints(changes.map((c) => c.batchId))}::bigint[],
      ${changes.map((c) => c.state)}::text[], ${changes.map((c) => c.class)}::text[],
      ${times(changes.map((c) => c.nextAttemptAt))}::timestamptz[],
      ${changes.map((c) => (c.counted ? 1 : 0))}::smallint[]
    ) as c(delivery_id, batch_id, state, class, next_attempt_at, counted)
    join batches b on b.id = c.batch_id and b.owner = ${owner} and b.state = 'claimed'
    where d.id = c.delivery_id and d.state in ('pending', 'sending')
    returning d.id, d.attempts`;
  return new Map(rows.map((row) => [row.id, row.attempts]));
}

export interface DeliveryEvent {
  at: Date;
  kind: string;
  campaignId: bigint;
  deliveryId: bigint;
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
    insert into events (at, kind, campaign_id, delivery_id, class, rule, attempt, stage, mx_host,
      mx_address, source_address, reply_code, enhanced_code, reply_text, tls, tls_verified,
      tls_policy, duration_ms)
    select * from unnest(
      ${times(rows.map((r) => r.at))}::timestamptz[], ${rows.map((r) => r.kind)}::text[],
      ${bigints(rows.map((r) => r.campaignId))}::bigint[], ${bigints(rows.map((r) => r.deliveryId))}::bigint[],
      ${rows.map((r) => r.class)}::text[], ${rows.map((r) => r.rule)}::text[],
      ${rows.map((r) => r.attempt)}::smallint[], ${rows.map((r) => r.stage)}::text[],
      ${rows.map((r) => r.mxHost)}::text[], ${rows.map((r) => r.mxAddress)}::text[],
      ${rows.map((r) => r.sourceAddress)}::text[],
      ${rows.map((r) => r.replyCode)}::smallint[], ${rows.map((r) => r.enhancedCode)}::text[],
      ${rows.map((r) => r.replyText)}::text[], ${rows.map((r) => r.tls)}::text[],
      ${rows.map((r) => (r.tlsVerified === null ? null : String(r.tlsVerified)))}::text[]::boolean[],
      ${rows.map((r) => r.tlsPolicy)}::text[],
      ${rows.map((r) => r.durationMs)}::integer[])`;
}
