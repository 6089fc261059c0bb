/** campaigns/tls-reports/archive/store — SQL of looking at TLS reports that were made. */
import { shownState } from '../../../kernel/marks/store.ts';
import type { Db } from '../../../kernel/postgres/connect.ts';
import type { PageRequest } from '../../page.ts';

export interface ReportRow {
  id: bigint;
  day: string;
  domain: string;
  /** ready: it is sent again soon. */
  state: 'ready' | 'sent';
  successes: bigint;
  failures: bigint;
  sizeBytes: number;
  madeAt: Date;
  note: string | null;
}

/** Newest first. */
export async function selectReports(
  db: Db,
  page: PageRequest & { domain: string | null },
): Promise<ReportRow[]> {
  return await db<ReportRow[]>`
    select id, day::text as day, domain, state, successes, failures,
      length(body) as size_bytes, made_at, note
    from tls_reports
    where made_at is not null
      ${page.domain === null ? db`` : db`and domain = ${page.domain}`}
      ${page.after === null ? db`` : db`and id < ${page.after}`}
    order by id desc limit ${page.limit + 1}`;
}

export async function selectReport(
  db: Db,
  id: bigint,
): Promise<(ReportRow & { body: Uint8Array }) | null> {
  const [row] = await db<(ReportRow & { body: Uint8Array })[]>`
    select id, day::text as day, domain, state, successes, failures,
      length(body) as size_bytes, made_at, note, body
    from tls_reports where id = ${id} and made_at is not null`;
  return row ?? null;
}

export interface ReportSending {
  /** An address or a URL. */
  to: string;
  /** A state of deliveries, or pending | sent | failed. */
  state: string;
  /** What the receiver said, or what was wrong. */
  reason: string | null;
}

/** Whom it went to, the first sending first. */
export async function selectSendings(db: Db, reportId: bigint): Promise<ReportSending[]> {
  return await db<ReportSending[]>`
    select r.address as to, coalesce((${shownState(db)})::text, 'pending') as state,
      said.reply_text as reason
    from tls_report_mails m
    join recipients r on r.campaign_id = m.campaign_id
    left join deliveries d on d.campaign_id = m.campaign_id and d.recipient_id = r.id
    left join lateral (
      select reply_text from events where delivery_id = d.id order by id desc limit 1
    ) said on true
    where m.report_id = ${reportId}
    union all
    select url, state, reason from tls_report_posts where report_id = ${reportId}
    limit 200`;
}

/** False: there is no such report. */
export async function markForSending(db: Db, id: bigint, now: Date): Promise<boolean> {
  const rows = await db`
    update tls_reports set state = 'ready', due_at = ${now}, attempts = 0, note = null
    where id = ${id} and made_at is not null returning 1`;
  return rows.length > 0;
}
