/**
 * cli/reporting — reports by mail as the configuration wants them: TLS reports (RFC 8460), counted,
 * made and sent, and the daily report.
 *
 * Without VOLLEY_TLS_REPORT_SENDER nothing is counted: nobody would read it, and with it a day's tail
 * of domains is a row each.
 */
import { startDailyReports } from '../campaigns/daily-report/keeper.ts';
import type { DailyReportSettings } from '../campaigns/daily-report/keeper.ts';
import { loadReportLetter } from '../campaigns/daily-report/letter.ts';
import type { CampaignDeps } from '../campaigns/deps.ts';
import { startTlsReports } from '../campaigns/tls-reports/keeper.ts';
import type { TlsReportDeps } from '../campaigns/tls-reports/keeper.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Config } from '../kernel/config.ts';
import { AppError } from '../kernel/errors.ts';
import type { ResourceStack } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { createResolver } from '../mta/resolver.ts';
import type { TlsReporter } from '../mta/tls/report.ts';
import { postReport } from '../mta/tls/rpt-post.ts';
import { lookupTxt } from '../mta/txt.ts';
import { startTlsCollector } from '../scheduler/tls-results/collector.ts';
import { dnsClientOf } from './dns.ts';
import { authoritiesOf } from './tls.ts';

export function startCounting(
  config: Config,
  parts: { sql: Sql; clock: Clock; log: Logger },
  stack: ResourceStack,
): TlsReporter {
  if (config.tlsReportSender === undefined) return () => undefined;
  const collector = startTlsCollector(parts);
  stack.onRelease('TLS results', () => collector.stop());
  return collector.report;
}

export function startReporting(
  config: Config,
  deps: CampaignDeps,
  log: Logger,
  stack: ResourceStack,
): void {
  const settings = dailyReportSettings(config);
  if (settings !== null) {
    const daily = startDailyReports({ ...deps, log }, settings);
    stack.onRelease('daily report', () => daily.stop());
  }
  const closing = new AbortController();
  const reportDeps = tlsReportDeps(config, deps, log, closing.signal);
  if (reportDeps === null) return;
  const reports = startTlsReports(reportDeps);
  stack.onRelease('TLS reports', async () => {
    closing.abort();
    await reports.stop();
  });
}

/** null: they are off. */
export function tlsReportDeps(
  config: Config,
  deps: CampaignDeps,
  log: Logger,
  signal: AbortSignal,
): TlsReportDeps | null {
  const { tlsReportSender: from, tlsReportOrganization, tlsReportContact } = config;
  if (from === undefined) return null;
  const dns = dnsClientOf(config);
  const resolver = createResolver({
    dns,
    smtpPort: config.smtpPort,
    ownNames: () => [],
    allowPrivate: config.allowPrivateMx,
    nowMs: () => deps.clock().getTime(),
    random: Math.random,
  });
  const ca = authoritiesOf(config);
  return {
    ...deps,
    log,
    from,
    organization: tlsReportOrganization ?? null,
    contact: tlsReportContact ?? null,
    lookupTxt: (name) => lookupTxt(dns, name),
    async post(url, body) {
      const found = await resolver.addresses(new URL(url).hostname);
      return postReport(url, body, { addresses: found.ok ? found.addresses : [], ca, signal });
    },
  };
}

/** null: nobody wants it. Reads the letter's template: from `folder` instead of templates/notices. */
export function dailyReportSettings(config: Config, folder?: string): DailyReportSettings | null {
  const { dailyReportTo: to, dailyReportFrom: from } = config;
  if (to.length === 0) return null;
  if (from === undefined) {
    throw new AppError(
      'config_invalid',
      'VOLLEY_DAILY_REPORT_TO needs VOLLEY_DAILY_REPORT_FROM: the From address of a sender',
    );
  }
  const { dailyReportAt: at, dailyReportZone: zone, dailyReportLanguage: language } = config;
  return { to, from, at, zone, compose: loadReportLetter(language, folder) };
}
