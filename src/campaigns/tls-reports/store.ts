/** campaigns/tls-reports/store — SQL of the daily work on TLS reports: which are due, and how far. */
import { bigints } from '../../kernel/postgres/arrays.ts';
import type { Db, Tx } from '../../kernel/postgres/connect.ts';

export interface ReportSender {
  id: bigint;
  domain: string;
}

/** The oldest sender with this From address. */
export async function selectReportSender(db: Db, from: string): Promise<ReportSender | null> {
  const [row] = await db<ReportSender[]>`
    select id, domain from senders where lower(from_address) = lower(${from}) order by id limit 1`;
  return row ?? null;
}

/**
 * Whether it is ours to open this day: true once, for one process. Unequal, not later: a clock that was
 * once in the next year must not stop all reports until then.
 */
export async function claimDay(tx: Tx, day: string): Promise<boolean> {
  const rows = await tx`
    insert into counters as c (name, value)
    values ('tls_reports_day', ${day}::text::date - date '2000-01-01')
    on conflict (name) do update set value = excluded.value where c.value <> excluded.value
    returning 1`;
  return rows.length > 0;
}

/** A report for every domain with results up to `day`; due some time within `spreadSeconds`. */
export async function openReports(
  tx: Tx,
  day: string,
  now: Date,
  spreadSeconds: number,
): Promise<void> {
  await tx`
    insert into tls_reports (day, domain, state, due_at)
    select day, domain, 'waiting',
      ${now}::timestamptz + random() * make_interval(secs => ${spreadSeconds})
    from tls_results where day <= ${day}::text::date
    group by day, domain
    on conflict (domain, day) do nothing`;
}

export interface DueReport {
  id: bigint;
  day: string;
  domain: string;
  state: 'waiting' | 'ready';
  /** With this one. */
  attempts: number;
}

/** Claims up to `limit`: whoever dies with them leaves them to the next attempt. */
export async function takeDueReports(db: Db, now: Date, limit: number): Promise<DueReport[]> {
  return await db<DueReport[]>`
    with due as materialized (
      select id from tls_reports where state <> 'sent' and due_at <= ${now}
      order by due_at limit ${limit} for update skip locked
    )
    update tls_reports r set attempts = r.attempts + 1,
      due_at = ${now}::timestamptz + interval '15 minutes' * power(2, r.attempts)
    from due where r.id = due.id
    returning r.id, r.day::text as day, r.domain, r.state, r.attempts`;
}

/** Nobody asks for these: their results go as well. One that was made stays, with a note. */
export async function dropReports(db: Db, ids: readonly bigint[], note: string): Promise<void> {
  await db`
    with unasked as (
      delete from tls_reports where id = any(${bigints(ids)}::bigint[]) and made_at is null
      returning day, domain
    ), closed as (
      update tls_reports set state = 'sent', note = ${note}
      where id = any(${bigints(ids)}::bigint[]) and made_at is not null
    )
    delete from tls_results r using unasked u where r.day = u.day and r.domain = u.domain`;
}

/** For one process at a time; null: another one has done it. */
export async function lockReport(tx: Tx, id: bigint): Promise<{ body: Uint8Array | null } | null> {
  const [row] = await tx<{ body: Uint8Array | null }[]>`
    select body from tls_reports where id = ${id} and state <> 'sent' for update`;
  return row ?? null;
}

export interface MadeReport {
  id: bigint;
  body: Uint8Array;
  successes: number;
  failures: number;
  at: Date;
}

export async function saveReport(tx: Tx, made: MadeReport): Promise<void> {
  await tx`
    update tls_reports set body = ${made.body}, successes = ${made.successes},
      failures = ${made.failures}, made_at = ${made.at}
    where id = ${made.id}`;
}

export async function closeReport(tx: Tx, id: bigint, note: string | null): Promise<void> {
  await tx`update tls_reports set state = 'sent', note = ${note} where id = ${id}`;
}

export async function insertReportMail(
  tx: Tx,
  reportId: bigint,
  campaignId: bigint,
): Promise<void> {
  await tx`
    insert into tls_report_mails (campaign_id, report_id) values (${campaignId}, ${reportId})`;
}

export async function insertReportPosts(
  tx: Tx,
  reportId: bigint,
  urls: readonly string[],
  now: Date,
): Promise<void> {
  await tx`
    insert into tls_report_posts (report_id, url, due_at)
    select ${reportId}, url, ${now}::timestamptz from unnest(${urls as string[]}::text[]) as url`;
}

export interface DuePost {
  id: bigint;
  url: string;
  attempts: number;
  body: Uint8Array;
}

export async function takeDuePosts(db: Db, now: Date, limit: number): Promise<DuePost[]> {
  return await db<DuePost[]>`
    with due as materialized (
      select id from tls_report_posts where state = 'pending' and due_at <= ${now}
      order by due_at limit ${limit} for update skip locked
    )
    update tls_report_posts p set attempts = p.attempts + 1,
      due_at = ${now}::timestamptz + interval '15 minutes' * power(2, p.attempts)
    from due, tls_reports r where p.id = due.id and r.id = p.report_id
    returning p.id, p.url, p.attempts, r.body`;
}

export async function settlePost(
  db: Db,
  id: bigint,
  state: 'pending' | 'sent' | 'failed',
  reason: string | null,
): Promise<void> {
  await db`update tls_report_posts set state = ${state}, reason = ${reason} where id = ${id}`;
}

/** Reports of days before `day`, and how they were sent. */
export async function purgeReports(db: Db, day: string): Promise<void> {
  await db`
    with gone as (
      delete from tls_reports where day < ${day}::text::date returning id
    ), mails as (
      delete from tls_report_mails m using gone where m.report_id = gone.id
    )
    delete from tls_report_posts p using gone where p.report_id = gone.id`;
}
