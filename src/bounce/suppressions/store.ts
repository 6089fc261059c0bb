/**
 * bounce/suppressions/store — the SQL of the suppression list.
 *
 * Promises: one live row per address, scope and value. Rows are never deleted and a reason is never
 *           overwritten: a live row that a stronger reason replaces is closed (`released_by` =
 *           `superseded`), one whose time was over is closed as `expired`, and the new row stands
 *           beside it. An equal or weaker reason changes nothing, except that a longer life extends
 *           the row's. A stronger reason with a shorter life changes nothing either: who is blocked
 *           for ever stays so.
 *           Every change writes its event (an import writes one for all its rows) and is told by
 *           NOTIFY in the same transaction. Events name the entry, never the address: so an erased
 *           address has fewer places to be forgotten in. New rows are counted for the reports in the
 *           statement that adds them (kind `suppression.added`, the reason as class).
 * Locks:    rows are taken in key order, then the rollup rows of `suppression.added`, daily before
 *           provider, in key order too. A writer waits for another's uncommitted row of the same key,
 *           behind an import that may be seconds: so callers take other hot rows (kernel/rollups) after
 *           this. The counted rows are held until the commit: who adds suppressions commits soon.
 * See:      suppression.ts (the matching rule and the strengths).
 */
import type postgres from 'postgres';
import { CHANNELS } from '../../kernel/events.ts';
import { OTHER_PROVIDER } from '../../kernel/providers/provider.ts';
import { SLOT_MINUTES } from '../../kernel/rollups/store.ts';
import type { Db, Sql, Tx } from '../../kernel/postgres/connect.ts';
import { REASONS_BY_STRENGTH, streamOfSender } from './suppression.ts';
import type {
  NewSuppression,
  SendingContext,
  Suppression,
  SuppressionReason,
  SuppressionScope,
} from './suppression.ts';

export interface AddCounts {
  added: number;
  /** Live already; their life became longer. */
  extended: number;
}

/** More addresses than this are told as `*`: read the table. */
const MAX_NOTIFICATIONS = 100;
const STREAMED_ROWS = 2_000;

const COLUMNS = [
  'id',
  'addressKey',
  'scope',
  'scopeValue',
  'reason',
  'origin',
  'class',
  'evidence',
  'campaignId',
  'deliveryId',
  'createdAt',
  'createdBy',
  'expiresAt',
  'releasedAt',
  'releasedBy',
];

/** The live rows of the table `s` that apply in a context; null: in any. The rule is in suppression.ts. */
export function liveFor(db: Db, context: SendingContext | null): postgres.Fragment {
  const live = db`s.released_at is null and (s.expires_at is null or s.expires_at > now())`;
  if (context === null) return live;
  return db`${live} and (s.scope = 'global'
    or (s.scope = 'sender' and s.scope_value = ${context.senderDomain})
    or (s.scope = 'stream' and s.scope_value in (${context.stream},
      ${streamOfSender(context.senderDomain, context.stream)})))`;
}

/** Adds many at once; the rules of the header. */
export async function addSuppressions(tx: Tx, rows: readonly NewSuppression[]): Promise<AddCounts> {
  if (rows.length === 0) return { added: 0, extended: 0 };
  const source = tx`unnest(
    ${rows.map((row) => row.addressKey)}::text[],
    ${rows.map((row) => row.scope ?? 'global')}::text[]::suppression_scope[],
    ${rows.map((row) => row.scopeValue ?? '')}::text[],
    ${rows.map((row) => row.reason)}::text[]::suppression_reason[],
    ${rows.map((row) => row.origin)}::text[],
    ${rows.map((row) => row.class ?? null)}::text[],
    ${rows.map((row) => row.evidence)}::text[],
    ${rows.map((row) => row.campaignId?.toString() ?? null)}::bigint[],
    ${rows.map((row) => row.deliveryId?.toString() ?? null)}::bigint[],
    ${rows.map((row) => row.createdBy ?? null)}::text[],
    ${rows.map((row) => row.expiresAt?.toISOString() ?? null)}::text[]::timestamptz[]
  ) as input (address_key, scope, scope_value, reason, origin, class, evidence, campaign_id,
    delivery_id, created_by, expires_at)`;
  const counts = await addFrom(tx, source, { logEach: true });
  await notify(tx, [...new Set(rows.map((row) => row.addressKey))]);
  return counts;
}

/** Adds the rows of `source`, a from-item with the columns of `input` above. Notifies nobody. */
export async function addFrom(
  tx: Tx,
  source: postgres.Fragment,
  options: { logEach: boolean },
): Promise<AddCounts> {
  await closeWeaker(tx, source);
  return await insertStronger(tx, source, options.logEach);
}

function strength(db: Db, reason: postgres.Fragment): postgres.Fragment {
  return db`array_position(${REASONS_BY_STRENGTH}::text[], ${reason}::text)`;
}

/** One row per key, the strongest and longest of each, in key order. */
function distinctInput(db: Db, source: postgres.Fragment): postgres.Fragment {
  return db`(
    select distinct on (address_key, scope, scope_value) * from ${source}
    order by address_key, scope, scope_value, ${strength(db, db`reason`)} desc, expires_at desc nulls first
  ) n`;
}

/**
 * One probe of suppressions_live a key, in key order. As a join, a million keys would be hashed and the
 * whole list read past them: 7.4 s with ten million entries, and more with every one; so it is 3.2 s.
 */
async function closeWeaker(tx: Tx, source: postgres.Fragment): Promise<void> {
  await tx`
    update suppressions set released_at = now(),
      released_by = case when expires_at <= now() then 'expired' else 'superseded' end
    where id in (
      select weaker.id from ${distinctInput(tx, source)}
      cross join lateral (
        select s.id from suppressions s
        where s.address_key = n.address_key and s.scope = n.scope
          and s.scope_value = n.scope_value and s.released_at is null
          and (s.expires_at <= now()
            or (${strength(tx, tx`n.reason`)} > ${strength(tx, tx`s.reason`)}
              and (n.expires_at is null or n.expires_at >= s.expires_at)))
        for update of s
      ) weaker
    )`;
}

async function insertStronger(
  tx: Tx,
  source: postgres.Fragment,
  logEach: boolean,
): Promise<AddCounts> {
  // Two that come at one moment do not see each other to close: the row becomes the stronger one.
  const stronger = tx`${strength(tx, tx`excluded.reason`)} > ${strength(tx, tx`s.reason`)}`;
  const [counts] = await tx<AddCounts[]>`
    with changed as (
      insert into suppressions as s (address_key, scope, scope_value, reason, origin, class,
        evidence, campaign_id, delivery_id, created_by, expires_at)
      select address_key, scope, scope_value, reason, origin, class, evidence, campaign_id,
        delivery_id, created_by, expires_at
      from ${distinctInput(tx, source)}
      on conflict (address_key, scope, scope_value) where released_at is null
      do update set expires_at = excluded.expires_at,
        reason = case when ${stronger} then excluded.reason else s.reason end,
        origin = case when ${stronger} then excluded.origin else s.origin end,
        class = case when ${stronger} then excluded.class else s.class end,
        evidence = case when ${stronger} then excluded.evidence else s.evidence end,
        campaign_id = case when ${stronger} then excluded.campaign_id else s.campaign_id end,
        delivery_id = case when ${stronger} then excluded.delivery_id else s.delivery_id end,
        created_by = case when ${stronger} then excluded.created_by else s.created_by end
        where (s.expires_at is not null
            and (excluded.expires_at is null or excluded.expires_at > s.expires_at))
          or (${stronger} and (excluded.expires_at is null or excluded.expires_at >= s.expires_at))
      returning s.id, s.address_key, s.scope, s.scope_value, s.reason, s.origin, s.campaign_id,
        s.delivery_id, s.xmax = 0 as is_new
    ), logged as (
      insert into events (kind, campaign_id, delivery_id, data)
      select 'suppression.added', c.campaign_id, c.delivery_id, jsonb_build_object(
        'suppression', c.id::text, 'scope', c.scope, 'value', c.scope_value, 'reason', c.reason,
        'origin', c.origin, 'by', n.created_by, 'extended', not c.is_new)
      from changed c join ${distinctInput(tx, source)}
        using (address_key, scope, scope_value)
      where ${logEach}
    ), counted as (
      select coalesce(campaign_id, 0) as campaign_id, split_part(address_key, '@', -1) as domain,
        reason::text as class, count(*) as count
      from changed where is_new
      group by 1, 2, 3
    ), by_day as (
      insert into daily_rollups as r (campaign_id, day, domain, kind, class, count)
      select campaign_id, (now() at time zone 'UTC')::date, domain, 'suppression.added', class, count
      from counted order by campaign_id, domain, class
      on conflict (campaign_id, day, domain, kind, class)
      do update set count = r.count + excluded.count
    ), by_slot as (
      insert into provider_rollups as r (campaign_id, slot, provider, kind, class, count)
      select campaign_id, date_bin(make_interval(mins => ${SLOT_MINUTES}), now(), '2000-01-01T00:00:00Z'), coalesce(p.provider, ${OTHER_PROVIDER}),
        'suppression.added', class, sum(count)
      from counted left join domain_providers p using (domain)
      group by 1, 3, 5 order by 1, 3, 5
      on conflict (campaign_id, slot, provider, kind, class)
      do update set count = r.count + excluded.count
    )
    select count(*) filter (where is_new)::int as added,
      count(*) filter (where not is_new)::int as extended
    from changed`;
  return counts ?? { added: 0, extended: 0 };
}

export async function notify(db: Db, addressKeys: readonly string[]): Promise<void> {
  const payloads = addressKeys.length > MAX_NOTIFICATIONS ? ['*'] : addressKeys;
  await db`select pg_notify(${CHANNELS.suppressions}, key) from unnest(${payloads}::text[]) as key`;
}

export interface SuppressionFilter {
  /** Live rows only, unless true: then the released and expired ones too. */
  history?: boolean;
  reason?: SuppressionReason;
  scope?: SuppressionScope;
  addressKey?: string;
  /** createdAt >= from, createdAt < to. */
  createdFrom?: Date;
  createdTo?: Date;
}

/** Newest first; `after` is the id of the last row of the page before. */
export async function listSuppressions(
  db: Db,
  filter: SuppressionFilter,
  page: { limit: number; after?: bigint },
): Promise<Suppression[]> {
  return await db<Suppression[]>`
    select ${db(COLUMNS)} from suppressions s
    where ${matching(db, filter)}
      ${page.after === undefined ? db`` : db`and s.id < ${page.after}`}
    order by s.id desc limit ${page.limit}`;
}

/**
 * Everything that matches, oldest first, some thousand rows at a time.
 *
 * Page after page by id, each its own statement: in one statement ten million rows would be sorted
 * before the first is seen, and a slow reader would hold back vacuum for as long as he reads. What is
 * on the list from the begin to the end is in it; what comes or goes meanwhile may be.
 */
export async function* streamSuppressions(
  sql: Sql,
  filter: SuppressionFilter,
): AsyncGenerator<Suppression[]> {
  let after: bigint | undefined = 0n;
  while (after !== undefined) {
    const rows: Suppression[] = await sql<Suppression[]>`
      select ${sql(COLUMNS)} from suppressions s
      where ${matching(sql, filter)} and s.id > ${after}
      order by s.id limit ${STREAMED_ROWS}`;
    if (rows.length > 0) yield rows;
    after = rows.length < STREAMED_ROWS ? undefined : rows.at(-1)?.id;
  }
}

function matching(db: Db, filter: SuppressionFilter): postgres.Fragment {
  const { reason, scope, addressKey, createdFrom, createdTo } = filter;
  return db`${filter.history === true ? db`true` : liveFor(db, null)}
    ${reason === undefined ? db`` : db`and s.reason = ${reason}`}
    ${scope === undefined ? db`` : db`and s.scope = ${scope}`}
    ${addressKey === undefined ? db`` : ofAddress(db, addressKey)}
    ${createdFrom === undefined ? db`` : db`and s.created_at >= ${createdFrom}`}
    ${createdTo === undefined ? db`` : db`and s.created_at < ${createdTo}`}`;
}

/** Two probes: suppressions_live has the live rows, suppressions_released the others. */
function ofAddress(db: Db, addressKey: string): postgres.Fragment {
  return db`and s.id in (
    select id from suppressions where address_key = ${addressKey} and released_at is null
    union all
    select id from suppressions where address_key = ${addressKey} and released_at is not null)`;
}

/** The live rows of these addresses that apply in `context`; null: in any. Index suppressions_live. */
export async function findSuppressions(
  db: Db,
  addressKeys: readonly string[],
  context: SendingContext | null,
): Promise<Suppression[]> {
  return await db<Suppression[]>`
    select ${db(COLUMNS)} from suppressions s
    where s.address_key = any(${addressKeys as string[]}::text[]) and ${liveFor(db, context)}
    order by s.address_key, s.id`;
}

/**
 * Releases the live rows of an address, of one scope or of all; null when there is none. The rows
 * stay, with who released them.
 */
export async function releaseSuppression(
  db: Db,
  addressKey: string,
  by: string,
  only: { scope?: SuppressionScope; scopeValue?: string; reason?: SuppressionReason } = {},
): Promise<Suppression[] | null> {
  const released = await db<Suppression[]>`
    with released as (
      update suppressions s set released_at = now(), released_by = ${by}
      where s.address_key = ${addressKey} and ${liveFor(db, null)}
        ${only.scope === undefined ? db`` : db`and s.scope = ${only.scope}`}
        ${only.scopeValue === undefined ? db`` : db`and s.scope_value = ${only.scopeValue}`}
        ${only.reason === undefined ? db`` : db`and s.reason = ${only.reason}`}
      returning s.*
    ), logged as (
      insert into events (kind, campaign_id, delivery_id, data)
      select 'suppression.released', campaign_id, delivery_id, jsonb_build_object(
        'suppression', id::text, 'scope', scope, 'value', scope_value, 'reason', reason,
        'by', released_by)
      from released
    )
    select ${db(COLUMNS)} from released order by id`;
  return released.length === 0 ? null : [...released];
}
