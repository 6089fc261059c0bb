/** campaigns/notices/store — SQL of notices: their limits, campaign, recipients and files. */
import type { Db, Tx } from '../../kernel/postgres/connect.ts';
import type { NoticeAttachment } from './attachments.ts';

export interface NoticeLimits {
  kind: string;
  addressKeys: readonly string[];
  perAddressADay: number | null;
  perHour: number | null;
  now: Date;
}

/** The addresses that may get one more, as many as the hour has room for. */
export async function chooseWithinLimits(db: Db, limits: NoticeLimits): Promise<string[]> {
  const { kind, addressKeys, perAddressADay, perHour, now } = limits;
  const rows = await db<{ addressKey: string }[]>`
    select address_key from unnest(${addressKeys as string[]}::text[]) as asked (address_key)
    where ${perAddressADay}::int is null or ${perAddressADay}::int > (
      select count(*) from notices n
      where n.address_key = asked.address_key and n.kind = ${kind}
        and n.created_at > ${now}::timestamptz - interval '24 hours')
    order by 1
    limit case when ${perHour}::int is null then null else greatest(0, ${perHour}::int - (
      select count(*) from notices n
      where n.kind = ${kind} and n.created_at > ${now}::timestamptz - interval '1 hour')) end`;
  return rows.map((row) => row.addressKey);
}

export interface NoticeCampaign {
  name: string;
  senderId: bigint;
  contentId: bigint;
  ttlSeconds: number;
  recipientCount: number;
  now: Date;
}

/** Started: the audience is inserted in the same transaction. */
export async function insertNoticeCampaign(tx: Tx, campaign: NoticeCampaign): Promise<bigint> {
  const { name, senderId, contentId, ttlSeconds, recipientCount, now } = campaign;
  const [row] = await tx<{ id: bigint }[]>`
    insert into campaigns (name, purpose, sender_id, content_id, stream, mode, ttl_seconds,
      ambiguity_policy, state, recipient_count, created_at, started_at, expires_at)
    values (${name}, 'notice', ${senderId}, ${contentId}, 'transactional', 'parallel', ${ttlSeconds},
      'assume_accepted', 'expanding', ${recipientCount}, ${now}, ${now},
      ${now}::timestamptz + make_interval(secs => ${ttlSeconds}))
    returning id`;
  if (row === undefined) throw new Error('insert into campaigns returned nothing');
  return row.id;
}

export interface NoticeRow {
  address: string;
  key: string;
  domain: string;
  variables: Record<string, string | null>;
}

/** The recipients of a notice campaign, and their entries in `notices`. */
export async function insertNotices(
  tx: Tx,
  about: { campaignId: bigint; kind: string; now: Date },
  rows: readonly NoticeRow[],
): Promise<void> {
  const { campaignId, kind, now } = about;
  await tx`
    with noted as (
      insert into notices (campaign_id, kind, address_key, created_at)
      select ${campaignId}, ${kind}, key, ${now}::timestamptz
      from unnest(${rows.map((row) => row.key)}::text[]) as key
    )
    insert into recipients (campaign_id, address, address_key, domain, variables)
    select ${campaignId}, address, key, domain, variables
    from unnest(
      ${rows.map((row) => row.address)}::text[],
      ${rows.map((row) => row.key)}::text[],
      ${rows.map((row) => row.domain)}::text[],
      ${rows.map((row) => JSON.stringify(row.variables))}::text[]::jsonb[]
    ) as row (address, key, domain, variables)`;
}

export async function insertAttachments(
  tx: Tx,
  campaignId: bigint,
  files: readonly NoticeAttachment[],
): Promise<void> {
  await tx`
    insert into notice_attachments (campaign_id, filename, content_type, body)
    select ${campaignId}, filename, content_type, decode(body, 'base64')
    from unnest(
      ${files.map(({ filename }) => filename)}::text[],
      ${files.map(({ contentType }) => contentType)}::text[],
      ${files.map(({ body }) => Buffer.from(body).toString('base64'))}::text[]
    ) as f (filename, content_type, body)`;
}

/** By name, so that every process makes the same bytes. */
export async function selectAttachments(db: Db, campaignId: bigint): Promise<NoticeAttachment[]> {
  return db<NoticeAttachment[]>`
    select filename, content_type, body from notice_attachments
    where campaign_id = ${campaignId} order by filename`;
}
