/** campaigns/senders/store — SQL of `senders` and `dkim_keys`. */
import type { dkimKeys, senders } from '../../../drizzle/schema.ts';
import { bigints } from '../../kernel/postgres/arrays.ts';
import { CHANNELS } from '../../kernel/events.ts';
import type { Db, Tx } from '../../kernel/postgres/connect.ts';
import type { PageRequest } from '../page.ts';

export type SenderRow = typeof senders.$inferSelect;
export type DkimKeyRow = typeof dkimKeys.$inferSelect;
export type NewSender = Omit<SenderRow, 'id' | 'createdAt'>;
export type NewDkimKey = Pick<
  DkimKeyRow,
  'selector' | 'algorithm' | 'privateKeySealed' | 'publicKey'
>;

export async function insertSender(db: Db, sender: NewSender): Promise<SenderRow> {
  const [row] = await db<SenderRow[]>`
    insert into senders (from_address, display_name, domain, bounce_domain, unsubscribe_base_url,
      require_tls, pool)
    values (${sender.fromAddress}, ${sender.displayName}, ${sender.domain}, ${sender.bounceDomain},
      ${sender.unsubscribeBaseUrl}, ${sender.requireTls}, ${sender.pool})
    returning *`;
  if (row === undefined) throw new Error('insert into senders returned nothing');
  return row;
}

export async function insertDkimKey(
  db: Db,
  senderId: bigint,
  key: NewDkimKey,
  state: DkimKeyRow['state'],
): Promise<DkimKeyRow> {
  const [row] = await db<DkimKeyRow[]>`
    insert into dkim_keys (sender_id, selector, algorithm, private_key_sealed, public_key, state)
    values (${senderId}, ${key.selector}, ${key.algorithm}, ${key.privateKeySealed},
      ${key.publicKey}, ${state})
    returning *`;
  if (row === undefined) throw new Error('insert into dkim_keys returned nothing');
  return row;
}

export async function selectSender(db: Db, id: bigint): Promise<SenderRow | undefined> {
  const [row] = await db<SenderRow[]>`select * from senders where id = ${id}`;
  return row;
}

/** Newest first. */
export async function selectSenders(db: Db, page: PageRequest): Promise<SenderRow[]> {
  return db<SenderRow[]>`
    select * from senders
    ${page.after === null ? db`` : db`where id < ${page.after}`}
    order by id desc
    limit ${page.limit + 1}`;
}

/** The active keys of these senders, oldest first. */
export async function selectDkimKeys(db: Db, senderIds: readonly bigint[]): Promise<DkimKeyRow[]> {
  return db<DkimKeyRow[]>`
    select * from dkim_keys
    where sender_id = any(${bigints([...senderIds])}::bigint[]) and state = 'active'
    order by sender_id, id`;
}

/** In every state, oldest first. */
export async function selectAllDkimKeys(
  db: Db,
  senderIds: readonly bigint[],
): Promise<DkimKeyRow[]> {
  return db<DkimKeyRow[]>`
    select * from dkim_keys
    where sender_id = any(${bigints([...senderIds])}::bigint[])
    order by sender_id, id`;
}

export async function lockSender(tx: Tx, id: bigint): Promise<void> {
  await tx`select 1 from senders where id = ${id} for no key update`;
}

export async function setDkimKeyState(
  db: Db,
  id: bigint,
  state: DkimKeyRow['state'],
  retiredAt: Date | null,
): Promise<DkimKeyRow> {
  const [row] = await db<DkimKeyRow[]>`
    update dkim_keys set state = ${state}, retired_at = ${retiredAt}
    where id = ${id}
    returning *`;
  if (row === undefined) throw new Error('update of dkim_keys returned nothing');
  return row;
}

/** Told by PostgreSQL when the transaction commits. */
export async function notifySender(db: Db, id: bigint): Promise<void> {
  await db`select pg_notify(${CHANNELS.senders}, ${id.toString()})`;
}
