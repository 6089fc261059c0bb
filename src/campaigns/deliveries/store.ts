/**
 * campaigns/deliveries/store — SQL of deliveries as an operator looks at them.
 *
 * A campaign's delivery ids are one range in the order of the domains, so a domain is found through
 * the batches beside it: no index by domain or recipient is needed on the big table. The recipient of
 * a row is joined behind `offset 0`, which keeps the planner from reading all recipients first.
 */
import type { deliveries, events } from '../../../drizzle/schema.ts';
import { MAX_DELIVERIES_OF_EVENT } from '../../kernel/events.ts';
import { isMarked, markedOf, shownState } from '../../kernel/marks/store.ts';
import type { PendingQuery, Row } from 'postgres';
import type { Db } from '../../kernel/postgres/connect.ts';
import type { PageRequest } from '../page.ts';

export type DeliveryState = (typeof deliveries.$inferSelect)['state'];
export type EventRow = typeof events.$inferSelect;

export interface DeliveryRow {
  id: bigint;
  campaignId: bigint;
  recipientId: bigint;
  email: string;
  name: string | null;
  domain: string;
  state: DeliveryState;
  attempts: number;
  class: string | null;
  nextAttemptAt: Date | null;
  /** Accepted, and reported undeliverable afterwards. */
  bouncedLate: boolean;
}

export interface IdRange {
  /** Exclusive; null: open. */
  above: bigint | null;
  below: bigint | null;
}

/** All deliveries to `domain` lie in it; suppressed ones of its neighbours may too. */
export async function findDomainRange(
  db: Db,
  campaignId: bigint,
  domain: string,
): Promise<IdRange> {
  const [row] = await db<IdRange[]>`
    select
      (select last_delivery_id from batches where campaign_id = ${campaignId} and domain < ${domain}
        order by domain desc, first_delivery_id desc limit 1) as above,
      (select first_delivery_id from batches where campaign_id = ${campaignId} and domain > ${domain}
        order by domain, first_delivery_id limit 1) as below`;
  return row ?? { above: null, below: null };
}

export async function findRecipient(
  db: Db,
  campaignId: bigint,
  addressKey: string,
): Promise<{ id: bigint; domain: string } | undefined> {
  const [row] = await db<{ id: bigint; domain: string }[]>`
    select id, domain from recipients
    where campaign_id = ${campaignId} and address_key = ${addressKey}`;
  return row;
}

export interface DeliveryFilter {
  state?: DeliveryState | undefined;
  domain?: string | undefined;
  recipientId?: bigint | undefined;
  range?: IdRange | undefined;
}

/** In the order of the ids: one domain after the other. */
export async function selectDeliveries(
  db: Db,
  campaignId: bigint,
  filter: DeliveryFilter,
  page: PageRequest,
): Promise<DeliveryRow[]> {
  const { state, domain, recipientId, range } = filter;
  const above = later(page.after, range?.above ?? null);
  const below = range?.below ?? null;
  return db<DeliveryRow[]>`
    select ${deliveryColumns(db)}
    from deliveries d
      cross join lateral (select * from recipients where id = d.recipient_id offset 0) r
    where d.campaign_id = ${campaignId}
      ${above === null ? db`` : db`and d.id > ${above}`}
      ${below === null ? db`` : db`and d.id < ${below}`}
      ${state === undefined ? db`` : stateIs(db, campaignId, state)}
      ${recipientId === undefined ? db`` : db`and d.recipient_id = ${recipientId}`}
      ${domain === undefined ? db`` : db`and r.domain = ${domain}`}
    order by d.id
    limit ${page.limit + 1}`;
}

export async function selectDelivery(db: Db, id: bigint): Promise<DeliveryRow | undefined> {
  const [row] = await db<DeliveryRow[]>`
    select ${deliveryColumns(db)}
    from deliveries d join recipients r on r.id = d.recipient_id
    where d.id = ${id}`;
  return row;
}

/** Oldest first: its own, and those of a copy that it shared with its neighbours. */
export async function selectDeliveryEvents(
  db: Db,
  deliveryId: bigint,
  limit: number,
): Promise<EventRow[]> {
  return db<EventRow[]>`
    select * from events where delivery_id = ${deliveryId}
    union all
    select * from events
    where last_delivery_id between ${deliveryId} and ${deliveryId + BigInt(MAX_DELIVERIES_OF_EVENT)}
      and delivery_id < ${deliveryId}
    order by id limit ${limit}`;
}

/** Those that are `sending` come from the few claimed batches: the campaign's pending rows are many. */
function stateIs(db: Db, campaignId: bigint, state: DeliveryState): PendingQuery<Row[]> {
  if (state === 'sending') {
    return db`and d.state = 'pending' and d.id = any(array(${markedOf(db, campaignId)}))`;
  }
  if (state === 'pending') return db`and d.state = 'pending' and not ${isMarked(db)}`;
  return db`and d.state = ${state}`;
}

function deliveryColumns(db: Db) {
  return db`d.id, d.campaign_id, d.recipient_id, r.address as email, r.name, r.domain,
    ${shownState(db)} as state,
    d.attempts, d.class, d.next_attempt_at, d.state = 'accepted' and exists (
      select 1 from events e where e.delivery_id = d.id and e.kind = 'bounce.late'
    ) as bounced_late`;
}

function later(one: bigint | null, other: bigint | null): bigint | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}
