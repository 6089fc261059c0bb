/**
 * campaigns/daily-report/daily-report — yesterday on one page, and as CSV files.
 *
 * Promises: the files are byte for byte what the API answers for the same day and grouping; the page
 *           shows the same figures. Made from rollups, so it costs the same whatever the lists.
 * Never:    names a recipient.
 * See:      reports/period-report.ts (figures), keeper.ts (when), docs/reports.md.
 */
import type { CampaignDeps } from '../deps.ts';
import type { NoticeAttachment } from '../notices/attachments.ts';
import type { Grouping, Topic } from '../reports/figures.ts';
import { csvOf, fileFormOf } from '../reports/period-file.ts';
import { readPeriodReport, streamPeriodReport } from '../reports/period-report.ts';
import type { Figures, PeriodQuery, PeriodReport } from '../reports/period-report.ts';
import { parsePeriod } from '../reports/period.ts';
import type { ComposeReport, ReportLetter } from './letter.ts';
import { selectAlarmsOfDay, selectPausesInForce } from './store.ts';

export interface DailyReport {
  day: string;
  letter: ReportLetter;
  files: NoticeAttachment[];
}

/** What is attached. */
const FILES: readonly { name: string; topic: Topic; groupBy: Grouping }[] = [
  { name: 'providers', topic: 'domains', groupBy: 'provider' },
  { name: 'senders', topic: 'domains', groupBy: 'sender' },
  { name: 'bounces', topic: 'bounces', groupBy: 'class' },
  { name: 'suppressions', topic: 'suppressions', groupBy: 'class' },
];
/** Rows of a table on the page; the files have all. */
const SHOWN = 20;

type Deps = Pick<CampaignDeps, 'sql'>;

export async function makeDailyReport(
  deps: Deps,
  day: string,
  compose: ComposeReport,
): Promise<DailyReport> {
  const period = parsePeriod(day, day);
  const [providers, senders, bounces, suppressions] = await Promise.all(
    FILES.map((file) => readPeriodReport(deps, queryOf(file, day), SHOWN)),
  );
  const alarms = await selectAlarmsOfDay(deps.sql, period);
  const held = await selectPausesInForce(deps.sql);
  const letter = compose({
    day,
    totals: providers === undefined ? null : rowOf(providers.totals),
    bounce_totals: bounces === undefined ? null : rowOf(bounces.totals),
    suppression_totals: suppressions === undefined ? null : rowOf(suppressions.totals),
    providers: rowsOf(providers),
    senders: rowsOf(senders),
    bounces: rowsOf(bounces),
    suppressions: rowsOf(suppressions),
    alarms: alarms.map(({ count, volume, isLive, ...alarm }) => ({
      ...alarm,
      count: number(count),
      volume: number(volume),
      live: isLive,
    })),
    held: held.map((pause) => ({ ...pause })),
  });
  return { day, letter, files: await filesOf(deps, day) };
}

async function filesOf(deps: Deps, day: string): Promise<NoticeAttachment[]> {
  const files: NoticeAttachment[] = [];
  for (const file of FILES) {
    const query = queryOf(file, day);
    const parts: string[] = [];
    for await (const part of csvOf(fileFormOf(query), streamPeriodReport(deps, query))) {
      parts.push(part);
    }
    files.push({
      filename: `${file.name}-${day}.csv`,
      contentType: 'text/csv; charset=utf-8',
      body: Buffer.from(parts.join('')),
    });
  }
  return files;
}

function queryOf({ topic, groupBy }: (typeof FILES)[number], day: string): PeriodQuery {
  const filters = { class: null, provider: null, domain: null, senderId: null, campaignId: null };
  return { topic, groupBy, period: parsePeriod(day, day), filters };
}

function rowsOf(report: PeriodReport | undefined): Record<string, unknown>[] {
  return (report?.rows ?? []).map(({ key, name, ...row }) => ({
    name: name ?? key,
    ...rowOf(row),
  }));
}

function rowOf({ figures, before }: { figures: Figures; before: Figures }) {
  return { ...texts(figures), before: texts(before) };
}

function texts(figures: Figures): Record<string, string> {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [
      name,
      value === null ? '–' : name.endsWith('rate') ? percent(value) : number(value),
    ]),
  );
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function percent(share: number): string {
  return `${(share * 100).toLocaleString('en-US', { maximumFractionDigits: 2 })} %`;
}
