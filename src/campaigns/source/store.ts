/** campaigns/source/store — SQL of what a campaign sends: sender, frozen content, a report it carries. */
import type { Db } from '../../kernel/postgres/connect.ts';
import type { Stream } from '../campaign.ts';
import type { DeliveryMode } from '../mode.ts';

export interface SendingCampaign {
  id: bigint;
  senderId: bigint;
  stream: Stream;
  /** `campaign` or `notice`. */
  purpose: string;
  mode: DeliveryMode;
  requireTls: boolean;
  fromAddress: string;
  displayName: string;
  domain: string;
  bounceDomain: string;
  unsubscribeBaseUrl: string | null;
  subject: string;
  html: string;
  text: string;
  variables: string[];
}

export async function selectSendingCampaign(
  db: Db,
  campaignId: bigint,
): Promise<SendingCampaign | undefined> {
  const [row] = await db<SendingCampaign[]>`
    select c.id, c.sender_id, c.stream, c.purpose, c.mode, c.require_tls, s.from_address,
      s.display_name, s.domain,
      s.bounce_domain, s.unsubscribe_base_url, k.subject, k.html, k.text, k.variables
    from campaigns c
      join senders s on s.id = c.sender_id
      join contents k on k.id = c.content_id
    where c.id = ${campaignId}`;
  return row;
}

export interface CarriedReport {
  id: bigint;
  day: string;
  domain: string;
  body: Uint8Array;
}

/** The TLS report that a notice carries. */
export async function selectCarriedReport(
  db: Db,
  campaignId: bigint,
): Promise<CarriedReport | null> {
  const [row] = await db<CarriedReport[]>`
    select r.id, r.day::text as day, r.domain, r.body
    from tls_report_mails m join tls_reports r on r.id = m.report_id
    where m.campaign_id = ${campaignId} and r.body is not null`;
  return row ?? null;
}
