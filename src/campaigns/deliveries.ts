/**
 * campaigns/deliveries — what became of each recipient, and every attempt at it.
 *
 * Promises: pages are keyset and cost the same at any depth, with a domain or a state as well. Only
 *           expanded recipients have a delivery; the others are `pending` in the balance.
 * Fails:    `not_found`; `invalid_request` for an address or domain that is none.
 */
import { asciiDomain, parseAddress } from '../kernel/address.ts';
import { AppError, invalidValue } from '../kernel/errors.ts';
import type { CampaignDeps } from './deps.ts';
import {
  findDomainRange,
  findRecipient,
  selectDeliveries,
  selectDelivery,
  selectDeliveryEvents,
} from './deliveries/store.ts';
import type { DeliveryFilter, DeliveryRow, DeliveryState, EventRow } from './deliveries/store.ts';
import { toPage } from './page.ts';
import type { Page, PageRequest } from './page.ts';
import { selectCampaign } from './store.ts';

export type { DeliveryState };
export type Delivery = DeliveryRow;
/** A fact about a delivery: `delivery.*` are attempts and their outcomes, the others came later. */
export type DeliveryEvent = EventRow;

export interface DeliveryDetail extends Delivery {
  /** Oldest first, at most 500. */
  events: DeliveryEvent[];
}

export interface DeliveryQuery {
  state?: DeliveryState | undefined;
  domain?: string | undefined;
  email?: string | undefined;
}

const MAX_EVENTS = 500;

export async function listDeliveries(
  deps: Pick<CampaignDeps, 'sql'>,
  campaignId: bigint,
  query: DeliveryQuery,
  page: PageRequest,
): Promise<Page<Delivery>> {
  if ((await selectCampaign(deps.sql, campaignId)) === undefined) {
    throw new AppError('not_found', 'no such campaign');
  }
  const filter = await filterOf(deps, campaignId, query);
  if (filter === null) return { data: [], hasMore: false, nextCursor: null };
  return toPage(await selectDeliveries(deps.sql, campaignId, filter, page), page.limit);
}

export async function getDelivery(
  deps: Pick<CampaignDeps, 'sql'>,
  id: bigint,
): Promise<DeliveryDetail> {
  const row = await selectDelivery(deps.sql, id);
  if (row === undefined) throw new AppError('not_found', 'no such delivery');
  return { ...row, events: await selectDeliveryEvents(deps.sql, id, MAX_EVENTS) };
}

/** null: nothing can match. */
async function filterOf(
  deps: Pick<CampaignDeps, 'sql'>,
  campaignId: bigint,
  query: DeliveryQuery,
): Promise<DeliveryFilter | null> {
  const filter: DeliveryFilter = { state: query.state };
  if (query.domain !== undefined) {
    const domain = asciiDomain(query.domain);
    if (domain === null) throw invalidValue('domain', 'is no valid domain name');
    filter.domain = domain;
  }
  if (query.email !== undefined) {
    const address = parseAddress(query.email);
    if (!address.ok) throw invalidValue('email', `the address ${address.reason}`);
    const recipient = await findRecipient(deps.sql, campaignId, address.value.key);
    if (recipient === undefined || recipient.domain !== (filter.domain ?? recipient.domain)) {
      return null;
    }
    filter.recipientId = recipient.id;
    filter.domain = recipient.domain;
  }
  if (filter.domain !== undefined) {
    filter.range = await findDomainRange(deps.sql, campaignId, filter.domain);
  }
  return filter;
}
