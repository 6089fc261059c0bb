/**
 * campaigns/notices — mail of Volley itself, sent by the ordinary engine (port: bounce/notices.ts).
 *
 * An order becomes one small campaign with the purpose `notice`, started at once: its content is
 * `{{subject}}` and `{{text}}`, its recipients carry them. So a notice has everything a delivery has:
 * batches, retries, DKIM, VERP, events, a balance that closes.
 *
 * Promises: in the caller's transaction. Limits count what was ordered before (table `notices`), so
 *           they hold over restarts and for all nodes; two orders at one moment may each see room.
 *           Messages say Auto-Submitted (RFC 3834), so that no program answers them.
 * Never:    reaches an address that is suppressed globally, or for the stream `transactional`.
 *           Notices do not show in the list of campaigns; by id they do.
 * See:      campaigns/source.ts (headers), campaigns/lifecycle.ts (what starting means).
 */
import { parseAddress } from '../kernel/address.ts';
import { invariant } from '../kernel/errors.ts';
import type { Tx } from '../kernel/postgres/connect.ts';
import type { NoticeOrder, Notices } from '../bounce/notices.ts';
import type { CampaignDeps } from './deps.ts';
import { chooseWithinLimits, insertNoticeCampaign, insertNotices } from './notices/store.ts';
import type { NoticeRow } from './notices/store.ts';
import { insertCampaignEvent, notifyCampaign } from './store.ts';
import { insertContent } from './templates/store.ts';
import type { NewContent } from './templates/store.ts';

/** Two days: a confirmation that comes later is of no use to anybody. */
const TTL_SECONDS = 172_800;
const MAX_TEXT = 100_000;

export type NoticeDeps = Pick<CampaignDeps, 'clock' | 'jobs'>;

export function createNotices(deps: NoticeDeps): Notices {
  return { send: async (tx, order) => (await orderNotices(deps, tx, order)).count };
}

/** `content`: with `{{subject}}` and `{{text}}`. */
export interface NoticeForm {
  content: NewContent;
  ttlSeconds: number;
}

/** `campaignId` null: all of it was over a limit. */
export async function orderNotices(
  deps: NoticeDeps,
  tx: Tx,
  order: NoticeOrder,
  { content, ttlSeconds }: NoticeForm = { content: CONTENT, ttlSeconds: TTL_SECONDS },
): Promise<{ campaignId: bigint | null; count: number }> {
  const wanted = rowsOf(order);
  const now = deps.clock();
  const allowed = await chooseWithinLimits(tx, {
    kind: order.kind,
    addressKeys: [...wanted.keys()],
    perAddressADay: order.perAddressADay,
    perHour: order.perHour,
    now,
  });
  const rows = allowed.flatMap((key) => wanted.get(key) ?? []);
  if (rows.length === 0) return { campaignId: null, count: 0 };
  const contentId = await insertContent(tx, content);
  const campaignId = await insertNoticeCampaign(tx, {
    name: `Notices: ${order.kind}`,
    senderId: order.senderId,
    contentId,
    ttlSeconds,
    recipientCount: rows.length,
    now,
  });
  await insertNotices(tx, { campaignId, kind: order.kind, now }, rows);
  await insertCampaignEvent(tx, { kind: 'campaign.started', campaignId, at: now });
  await deps.jobs.enqueueExpansion(tx, campaignId);
  await notifyCampaign(tx, campaignId);
  return { campaignId, count: rows.length };
}

/** By address key: the first of two for one address. */
function rowsOf(order: NoticeOrder): Map<string, NoticeRow> {
  const rows = new Map<string, NoticeRow>();
  for (const { to, subject, text, replyTo } of order.notices) {
    const address = parseAddress(to);
    invariant(address.ok, 'a notice goes to an address');
    if (rows.has(address.value.key)) continue;
    const variables = { subject, text: text.slice(0, MAX_TEXT), reply_to: replyTo };
    rows.set(address.value.key, { ...address.value, variables });
  }
  return rows;
}

const CONTENT: NewContent = {
  subject: '{{subject}}',
  format: 'html',
  source: '',
  html: '<div style="white-space: pre-line">{{text}}</div>\n',
  text: '{{text}}\n',
  variables: ['subject', 'text'],
};

/** Beside what the message carries (tls-reports). */
export const TEXT_ALONE: NewContent = { ...CONTENT, html: '' };
