/**
 * campaigns/tls-reports — looking at TLS reports that were made, and sending one again.
 *
 * See: tls-reports/keeper.ts (makes and sends them), docs/tls.md.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { AppError } from '../kernel/errors.ts';
import { formatId } from '../kernel/ids.ts';
import type { CampaignDeps } from './deps.ts';
import { toPage } from './page.ts';
import type { Page, PageRequest } from './page.ts';
import {
  markForSending,
  selectReport,
  selectReports,
  selectSendings,
} from './tls-reports/archive/store.ts';
import type { ReportRow, ReportSending } from './tls-reports/archive/store.ts';
import type { TlsReportDocument } from './tls-reports/document.ts';

export type { ReportRow as TlsReport, ReportSending };

export interface TlsReportDetail extends ReportRow {
  document: TlsReportDocument;
  sendings: ReportSending[];
}

type ReportDeps = Pick<CampaignDeps, 'sql' | 'clock'>;

export async function listTlsReports(
  deps: Pick<CampaignDeps, 'sql'>,
  page: PageRequest & { domain: string | null },
): Promise<Page<ReportRow>> {
  return toPage(await selectReports(deps.sql, page), page.limit);
}

export async function getTlsReport(
  deps: Pick<CampaignDeps, 'sql'>,
  id: bigint,
): Promise<TlsReportDetail> {
  const found = await selectReport(deps.sql, id);
  if (found === null) throw missing(id);
  const { body, ...row } = found;
  const json = (await promisify(gunzip)(body)).toString('utf8');
  const document = JSON.parse(json) as TlsReportDocument;
  return { ...row, document, sendings: await selectSendings(deps.sql, id) };
}

/** A running server does it within a minute, to whoever the domain names then. */
export async function sendTlsReport(deps: ReportDeps, id: bigint): Promise<void> {
  if (!(await markForSending(deps.sql, id, deps.clock()))) throw missing(id);
}

function missing(id: bigint): AppError {
  return new AppError('not_found', `there is no TLS report ${formatId('tlr', id)}`);
}
