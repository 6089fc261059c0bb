/** campaigns/webhooks/store — SQL of `webhooks` and of their outbox `webhook_deliveries`. */
import type { webhookDeliveries, webhooks } from '../../../drizzle/schema.ts';
import { times } from '../../kernel/postgres/arrays.ts';
import type { Db } from '../../kernel/postgres/connect.ts';
import type { PageRequest } from '../page.ts';
import { bodyOf } from './fact.ts';
import type { WebhookFact } from './fact.ts';

export type WebhookRow = typeof webhooks.$inferSelect;
export type WebhookDeliveryRow = typeof webhookDeliveries.$inferSelect;

export async function insertWebhook(
  db: Db,
  row: Pick<WebhookRow, 'url' | 'secretSealed' | 'events'>,
): Promise<WebhookRow> {
  const [inserted] = await db<WebhookRow[]>`
    insert into webhooks (url, secret_sealed, events)
    values (${row.url}, ${row.secretSealed}, ${row.events}) returning *`;
  if (inserted === undefined) throw new Error('insert into webhooks returned nothing');
  return inserted;
}

export async function countWebhooks(db: Db): Promise<number> {
  const [row] = await db<{ n: number }[]>`select count(*)::int as n from webhooks`;
  return row?.n ?? 0;
}

/** Newest first. */
export async function selectWebhooks(db: Db, page: PageRequest): Promise<WebhookRow[]> {
  return db<WebhookRow[]>`
    select * from webhooks
    ${page.after === null ? db`` : db`where id < ${page.after}`}
    order by id desc limit ${page.limit + 1}`;
}

export async function selectWebhook(db: Db, id: bigint): Promise<WebhookRow | undefined> {
  const [row] = await db<WebhookRow[]>`select * from webhooks where id = ${id}`;
  return row;
}

/** With what it has not been told yet. */
export async function deleteWebhookById(db: Db, id: bigint): Promise<WebhookRow | undefined> {
  const [row] = await db<WebhookRow[]>`delete from webhooks where id = ${id} returning *`;
  return row;
}

/** One row for each fact and webhook that wants it; one that is being removed is not waited for in vain. */
export async function queueFacts(db: Db, facts: readonly WebhookFact[]): Promise<void> {
  if (facts.length === 0) return;
  await db`
    insert into webhook_deliveries (webhook_id, event, payload, due_at, created_at)
    select w.id, f.event, f.payload, f.at, f.at
    from unnest(
      ${facts.map(({ event }) => event)}::text[], ${facts.map(bodyOf)}::text[],
      ${times(facts.map(({ at }) => at))}::timestamptz[]
    ) as f (event, payload, at)
    join webhooks w on f.event = any(w.events)
    order by f.at, w.id
    for key share of w`;
}

export type DueDelivery = Pick<WebhookDeliveryRow, 'id' | 'payload' | 'attempts'> &
  Pick<WebhookRow, 'url' | 'secretSealed'>;

/** Nobody else takes them until `leaseSeconds` are over. */
export async function claimDeliveries(
  db: Db,
  { now, limit, leaseSeconds }: { now: Date; limit: number; leaseSeconds: number },
): Promise<DueDelivery[]> {
  return db<DueDelivery[]>`
    update webhook_deliveries d
    set attempts = d.attempts + 1,
      due_at = ${now}::timestamptz + make_interval(secs => ${leaseSeconds})
    from webhooks w
    where w.id = d.webhook_id and d.id in (
      select id from webhook_deliveries where state = 'pending' and due_at <= ${now}
      order by due_at, id limit ${limit} for update skip locked)
    returning d.id, d.payload, d.attempts, w.url, w.secret_sealed`;
}

export async function settleDelivery(
  db: Db,
  id: bigint,
  result: Pick<WebhookDeliveryRow, 'state' | 'status' | 'reason' | 'dueAt' | 'finishedAt'>,
): Promise<void> {
  await db`
    update webhook_deliveries
    set state = ${result.state}, status = ${result.status}, reason = ${result.reason},
      due_at = ${result.dueAt}, finished_at = ${result.finishedAt}
    where id = ${id} and state = 'pending'`;
}

/** Newest first. */
export async function selectDeliveries(
  db: Db,
  webhookId: bigint,
  page: PageRequest,
): Promise<WebhookDeliveryRow[]> {
  return db<WebhookDeliveryRow[]>`
    select * from webhook_deliveries
    where webhook_id = ${webhookId} ${page.after === null ? db`` : db`and id < ${page.after}`}
    order by id desc limit ${page.limit + 1}`;
}

export async function purgeDeliveries(db: Db, before: Date): Promise<void> {
  await db`delete from webhook_deliveries where finished_at < ${before}`;
}
