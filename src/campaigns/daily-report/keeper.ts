/**
 * campaigns/daily-report/keeper — the daily report by mail: one a day, however many processes run.
 *
 * Promises: the day and its mail are one transaction (`daily_reports` has one row a day), so there is
 *           one mail per day and recipient after any crash. What was missed while nothing ran is sent
 *           late, once, for a week.
 * Fails:    without a sender of this From address nothing is ordered, and the log says so each time;
 *           the day stays due.
 * See:      schedule.ts (when), notices.ts (how it travels).
 */
import { AppError } from '../../kernel/errors.ts';
import { startLoop } from '../../kernel/lifecycle.ts';
import type { Loop } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import type { CampaignDeps } from '../deps.ts';
import { orderNotices } from '../notices.ts';
import { insertAttachments } from '../notices/store.ts';
import { selectReportSender } from '../tls-reports/store.ts';
import { makeDailyReport } from './daily-report.ts';
import type { DailyReport } from './daily-report.ts';
import type { ComposeReport } from './letter.ts';
import { dueDays } from './schedule.ts';
import type { Schedule } from './schedule.ts';
import { claimDay, noteCampaign, selectMadeDays } from './store.ts';

export interface DailyReportSettings extends Schedule {
  to: readonly string[];
  /** From address of a sender. */
  from: string;
  compose: ComposeReport;
}

export type DailyReportDeps = Pick<CampaignDeps, 'sql' | 'clock' | 'jobs'>;

const INTERVAL_MS = 30_000;
const TTL_SECONDS = 172_800;

export function startDailyReports(
  deps: DailyReportDeps & { log: Logger },
  settings: DailyReportSettings,
): Pick<Loop, 'stop'> {
  return startLoop({
    intervalMs: INTERVAL_MS,
    step: async () => {
      for (const day of await sendDueReports(deps, settings)) {
        deps.log.info({ day }, 'the daily report is on its way');
      }
    },
    onError: (error) => deps.log.error({ err: error }, 'cannot send the daily report; again soon'),
  });
}

/** The days whose report this call ordered. */
export async function sendDueReports(
  deps: DailyReportDeps,
  settings: DailyReportSettings,
): Promise<string[]> {
  const due = dueDays(settings, await selectMadeDays(deps.sql, deps.clock()), deps.clock());
  const ordered: string[] = [];
  for (const day of due) if (await sendDailyReport(deps, settings, day)) ordered.push(day);
  return ordered;
}

/** False when it was ordered before. */
export async function sendDailyReport(
  deps: DailyReportDeps,
  settings: Omit<DailyReportSettings, keyof Schedule>,
  day: string,
): Promise<boolean> {
  const sender = await selectReportSender(deps.sql, settings.from);
  if (sender === null) {
    throw new AppError(
      'config_invalid',
      `VOLLEY_DAILY_REPORT_FROM: there is no sender with the From address ${settings.from}`,
    );
  }
  const report = await makeDailyReport(deps, day, settings.compose);
  return deps.sql.begin(async (tx) => {
    if (!(await claimDay(tx, day, deps.clock()))) return false;
    const { campaignId } = await orderNotices(
      deps,
      tx,
      {
        kind: 'report',
        senderId: sender.id,
        notices: settings.to.map((to) => ({ to, ...textOf(report), replyTo: null })),
        perAddressADay: null,
        perHour: null,
      },
      { content: contentOf(report), ttlSeconds: TTL_SECONDS },
    );
    if (campaignId === null) return false;
    await insertAttachments(tx, campaignId, report.files);
    await noteCampaign(tx, day, campaignId);
    return true;
  });
}

function textOf({ letter: { subject, text } }: DailyReport): { subject: string; text: string } {
  return { subject, text };
}

/** The HTML is finished: nothing in it may be taken for a template again. */
function contentOf({ letter }: DailyReport) {
  return {
    subject: '{{subject}}',
    format: 'html',
    source: '',
    html: letter.html.replaceAll('{', '&#123;'),
    text: '{{text}}\n',
    variables: ['subject', 'text'],
  };
}
