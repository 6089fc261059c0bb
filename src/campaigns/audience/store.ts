/**
 * campaigns/audience/store — the SQL of an upload. All of it runs in one transaction.
 *
 * Rows are copied into a temporary table, checked against what is there, and moved over by set-based
 * statements; a failure anywhere leaves nothing.
 */
import type { Writable } from 'node:stream';
import type { uploadRejects } from '../../../drizzle/schema.ts';
import { isEmptied } from '../../bounce/erasure/store.ts';
import { liveFor } from '../../bounce/suppressions/store.ts';
import type { Db, Tx } from '../../kernel/postgres/connect.ts';
import type { CampaignState, Stream } from '../campaign.ts';

export type RejectRow = Omit<typeof uploadRejects.$inferSelect, 'uploadId'>;

export interface UploadTarget {
  state: CampaignState;
  stream: Stream;
  senderDomain: string;
}

/** Locks the campaign: it cannot start, and no other upload goes into it, until the commit. */
export async function lockUploadTarget(
  tx: Tx,
  campaignId: bigint,
): Promise<UploadTarget | undefined> {
  const [row] = await tx<UploadTarget[]>`
    select c.state, c.stream, s.domain as sender_domain
    from campaigns c join senders s on s.id = c.sender_id
    where c.id = ${campaignId}
    for no key update of c`;
  return row;
}

export async function createUploadTable(tx: Tx): Promise<void> {
  await tx`
    create temporary table upload_rows (
      row_number integer not null, address text, address_key text, domain text, name text,
      variables jsonb, hashes text[], input text, code text, reason text
    ) on commit drop`;
}

/** Takes lines of copy.ts. Ends with `finish` once PostgreSQL has them all. */
export async function copyIntoUploadTable(tx: Tx): Promise<Writable> {
  return await tx`copy upload_rows from stdin`.writable();
}

/** So that the joins below are planned for the rows that are there. */
export async function analyzeUploadTable(tx: Tx): Promise<void> {
  await tx`analyze upload_rows`;
}

export interface Inserted {
  accepted: number;
  /** Of them, on the suppression list for this sender and stream. */
  suppressed: number;
  /** Recipients of this campaign with a lower id were there before; null when none was inserted. */
  firstId: bigint | null;
}

/** In the order of the domains: expansion reads them like this, and it fills the indexes in order. */
export async function insertRecipients(
  tx: Tx,
  campaignId: bigint,
  target: UploadTarget,
): Promise<Inserted> {
  const [row] = await tx<Inserted[]>`
    with inserted as (
      insert into recipients (campaign_id, address, address_key, domain, name, variables)
      select ${campaignId}, address, address_key, domain, name, variables
      from upload_rows where code is null
      order by domain, row_number
      on conflict (campaign_id, address_key) do nothing
      returning id, address_key
    )
    select
      (select count(*)::int from inserted) as accepted,
      (select min(id) from inserted) as first_id,
      (select count(*)::int from inserted i where ${isEmptied(tx, tx`i.address_key`)} or exists (
        select 1 from suppressions s
        where s.address_key = i.address_key and ${liveFor(tx, target)}
      )) as suppressed`;
  if (row === undefined) throw new Error('counting the inserted recipients returned nothing');
  return row;
}

export async function insertUpload(
  tx: Tx,
  upload: {
    campaignId: bigint;
    accepted: number;
    duplicate: number;
    invalid: number;
    suppressed: number;
  },
): Promise<bigint> {
  const [row] = await tx<{ id: bigint }[]>`
    insert into uploads (campaign_id, accepted, duplicate, invalid, suppressed)
    values (${upload.campaignId}, ${upload.accepted}, ${upload.duplicate}, ${upload.invalid},
      ${upload.suppressed})
    returning id`;
  if (row === undefined) throw new Error('insert into uploads returned nothing');
  return row.id;
}

export async function insertInvalidRejects(tx: Tx, uploadId: bigint): Promise<void> {
  await tx`
    insert into upload_rejects (upload_id, row_number, input, code, reason)
    select ${uploadId}, row_number, input, code, reason
    from upload_rows where code is not null`;
}

/** The good rows that did not become recipients: already in the campaign, or earlier in the upload. */
export async function insertDuplicateRejects(
  tx: Tx,
  campaignId: bigint,
  uploadId: bigint,
  firstId: bigint | null,
): Promise<number> {
  const rows = await tx`
    insert into upload_rejects (upload_id, row_number, input, code, reason)
    select ${uploadId}, u.row_number, u.address, 'duplicate',
      case when r.id is not null then 'the address is already in this campaign'
        else 'the address is the same as in row ' || u.first_row end
    from (
      select row_number, address, address_key,
        min(row_number) over (partition by address_key) as first_row
      from upload_rows where code is null
    ) u
    left join recipients r on r.campaign_id = ${campaignId} and r.address_key = u.address_key
      and (${firstId}::bigint is null or r.id < ${firstId}::bigint)
    where r.id is not null or u.row_number > u.first_row`;
  return rows.count;
}

export async function addRecipientCount(tx: Tx, campaignId: bigint, count: number): Promise<void> {
  await tx`
    update campaigns set recipient_count = recipient_count + ${count} where id = ${campaignId}`;
}

export async function uploadExists(db: Db, campaignId: bigint, uploadId: bigint): Promise<boolean> {
  const rows = await db`
    select 1 from uploads where id = ${uploadId} and campaign_id = ${campaignId}`;
  return rows.length === 1;
}

/** In the order of the rows, after row `after`. */
export async function selectRejects(
  db: Db,
  uploadId: bigint,
  after: number,
  limit: number,
): Promise<RejectRow[]> {
  return db<RejectRow[]>`
    select row_number, input, code, reason from upload_rejects
    where upload_id = ${uploadId} and row_number > ${after}
    order by row_number
    limit ${limit}`;
}
