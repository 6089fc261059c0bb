/**
 * campaigns/tls-reports/document — the words of a TLS report (RFC 8460 4 and 5). Pure.
 *
 * Promises: one entry per policy; its sums are those of all its sessions, and its details those of the
 *           failed ones. Names of fields are the RFC's.
 */
import { formatId } from '../../kernel/ids.ts';
import type { TakenResult } from '../../scheduler/tls-results/store.ts';

export interface ReportFacts {
  id: bigint;
  /** `2026-03-01`, UTC. */
  day: string;
  /** Whose TLS it is about. */
  domain: string;
  organization: string;
  contact: string;
  /** Our domain. */
  submitter: string;
}

export interface FailureDetails {
  'result-type': string;
  'sending-mta-ip'?: string;
  'receiving-mx-hostname'?: string;
  'receiving-ip'?: string;
  'failed-session-count': number;
  'failure-reason-code'?: string;
}

export interface ReportedPolicy {
  policy: {
    'policy-type': string;
    'policy-string'?: readonly string[];
    'policy-domain': string;
    'mx-host'?: readonly string[];
  };
  summary: { 'total-successful-session-count': number; 'total-failure-session-count': number };
  'failure-details'?: FailureDetails[];
}

export interface TlsReportDocument {
  'organization-name': string;
  'date-range': { 'start-datetime': string; 'end-datetime': string };
  'contact-info': string;
  'report-id': string;
  policies: ReportedPolicy[];
}

export function composeReport(
  facts: ReportFacts,
  results: readonly TakenResult[],
): TlsReportDocument {
  const byPolicy = Map.groupBy(results, (row) => row.policy);
  return {
    'organization-name': facts.organization,
    'date-range': {
      'start-datetime': `${facts.day}T00:00:00Z`,
      'end-datetime': `${facts.day}T23:59:59Z`,
    },
    'contact-info': facts.contact,
    'report-id': reportName(facts),
    policies: [...byPolicy.values()].flatMap((rows) => policyOf(facts.domain, rows)),
  };
}

function policyOf(domain: string, rows: readonly TakenResult[]): ReportedPolicy[] {
  const [first] = rows;
  if (first === undefined) return [];
  const failed = rows.flatMap((row) => (row.problem === null ? [] : [detailsOf(row, row.problem)]));
  return [
    {
      policy: {
        'policy-type': first.type,
        ...(first.strings.length === 0 ? {} : { 'policy-string': first.strings }),
        'policy-domain': domain,
        ...(first.mxHosts.length === 0 ? {} : { 'mx-host': first.mxHosts }),
      },
      summary: {
        'total-successful-session-count': successesOf(rows),
        'total-failure-session-count': failuresOf(rows),
      },
      ...(failed.length === 0 ? {} : { 'failure-details': failed }),
    },
  ];
}

function detailsOf(row: TakenResult, problem: string): FailureDetails {
  return {
    'result-type': problem,
    ...(row.sendingIp === null ? {} : { 'sending-mta-ip': row.sendingIp }),
    ...(row.mxHost === null ? {} : { 'receiving-mx-hostname': row.mxHost }),
    ...(row.receivingIp === null ? {} : { 'receiving-ip': row.receivingIp }),
    'failed-session-count': Number(row.count),
    ...(row.detail === null || row.detail === '' ? {} : { 'failure-reason-code': row.detail }),
  };
}

export function successesOf(rows: readonly TakenResult[]): number {
  return sum(rows.filter((row) => row.problem === null));
}

export function failuresOf(rows: readonly TakenResult[]): number {
  return sum(rows.filter((row) => row.problem !== null));
}

function sum(rows: readonly TakenResult[]): number {
  return rows.reduce((total, row) => total + Number(row.count), 0);
}

type Named = Pick<ReportFacts, 'id' | 'day' | 'domain' | 'submitter'>;

/** Report-ID, unique in the world. */
export function reportName({ id, submitter }: Pick<Named, 'id' | 'submitter'>): string {
  return `${formatId('tlr', id)}@${submitter}`;
}

/** RFC 8460 5.1: submitter, domain, first and last second, and an id. */
export function reportFilename({ id, day, domain, submitter }: Named): string {
  const begin = Date.parse(`${day}T00:00:00Z`) / 1_000;
  const unique = formatId('tlr', id).slice('tlr_'.length);
  return `${submitter}!${domain}!${begin}!${begin + 86_399}!${unique}.json.gz`;
}

/** RFC 8460 5.3. */
export function reportSubject(facts: Named): string {
  const { domain, submitter } = facts;
  return `Report Domain: ${domain} Submitter: ${submitter} Report-ID: <${reportName(facts)}>`;
}

export function reportText({ day, domain, submitter }: Named): string {
  return (
    `This is an aggregate TLS report from ${submitter}\n` +
    `about its SMTP sessions for ${domain} on ${day} (UTC).\n`
  );
}

/** Header fields of the message that carries it; both are domain names. */
export function reportFields({ domain, submitter }: Pick<Named, 'domain' | 'submitter'>): string {
  return `TLS-Report-Domain: ${domain}\r\nTLS-Report-Submitter: ${submitter}\r\n`;
}

export const REPORT_FIELD_NAMES = ['TLS-Report-Domain', 'TLS-Report-Submitter'] as const;
