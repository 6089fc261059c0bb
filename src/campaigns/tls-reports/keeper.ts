/**
 * campaigns/tls-reports/keeper — TLS reports (RFC 8460), daily, to the domains that ask for them.
 *
 * From ten minutes after midnight UTC, when every process has written its counts, one of them opens a
 * report for every domain of the day. Each falls due within four hours (4.1: not all at one moment).
 * Then the domain's record is looked up: with it the report is made and sent, without it the results
 * are dropped.
 *
 * Promises: a report is made once, by whichever process claims it. A look-up that fails is tried six
 *           times within a day, and so is a POST; mail has the retries of all mail, for a day.
 * Fails:    a turn that fails is logged, and tried again a minute later; a process that dies leaves its
 *           claims to the next attempt. Without the sender of VOLLEY_TLS_REPORT_SENDER nothing is made;
 *           results wait for it a week.
 * Measured: 3 M rows of results, 1 M domains: opening the day 8.8 s, claiming a hundred reports 14 ms,
 *           ten domains that ask for nothing 5 ms; adding 5,000 counts 100 ms.
 * See:      orders.ts (the transaction), document.ts (the words), scheduler/tls-results (the counts).
 */
import { startLoop } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Sql } from '../../kernel/postgres/connect.ts';
import { parseReportRecord } from '../../mta/tls/rpt-record.ts';
import type { ReportPlaces } from '../../mta/tls/rpt-record.ts';
import { purgeTlsResults } from '../../scheduler/tls-results/store.ts';
import type { TxtAnswer } from '../deps.ts';
import type { NoticeDeps } from '../notices.ts';
import { makeAndOrder } from './orders.ts';
import {
  claimDay,
  dropReports,
  openReports,
  purgeReports,
  selectReportSender,
  settlePost,
  takeDuePosts,
  takeDueReports,
} from './store.ts';
import type { DuePost, DueReport, ReportSender } from './store.ts';

export interface TlsReportDeps extends NoticeDeps {
  sql: Sql;
  log: Logger;
  lookupTxt: (name: string) => Promise<TxtAnswer>;
  /** Port: the reason, or null when it was taken. Never rejects. */
  post: (url: string, body: Uint8Array) => Promise<string | null>;
  /** From address of the sender that writes them. */
  from: string;
  /** null: the sender's domain. */
  organization: string | null;
  /** null: the sender. */
  contact: string | null;
}

const TURN_MS = 60_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const OPENING_MS = 10 * MINUTE_MS;
const SPREAD_SECONDS = 4 * 3_600;
/** So many are claimed and looked up at one time, by each of so many workers. */
const GROUP = 10;
const WORKERS = 8;
const MAX_ATTEMPTS = 6;
const RESULT_DAYS = 7;
const REPORT_DAYS = 90;

export function startTlsReports(deps: TlsReportDeps): { stop(): Promise<void> } {
  const loop = startLoop({
    intervalMs: TURN_MS,
    step: () => takeReportTurn(deps),
    onError: (error) => deps.log.error({ err: error }, 'TLS reports failed; again in a minute'),
  });
  return { stop: () => loop.stop() };
}

/** Does everything that is due at `clock()`. */
export async function takeReportTurn(deps: TlsReportDeps): Promise<void> {
  const { sql, clock } = deps;
  await open(deps);
  const sender = await selectReportSender(sql, deps.from);
  if (sender === null) deps.log.warn({ from: deps.from }, NO_SENDER);
  else await inGroups((limit) => takeDueReports(sql, clock(), limit), reportsOf(deps, sender));
  await inGroups((limit) => takeDuePosts(sql, clock(), limit), postsOf(deps));
  await purgeTlsResults(sql, dayOf(clock(), -RESULT_DAYS));
  await purgeReports(sql, dayOf(clock(), -REPORT_DAYS));
}

const NO_SENDER = 'TLS reports wait: there is no sender with the address VOLLEY_TLS_REPORT_SENDER';

/** A group waits for its slowest domain; the other workers do not. */
async function inGroups<T>(
  take: (limit: number) => Promise<T[]>,
  work: (rows: T[]) => Promise<void>,
): Promise<void> {
  async function worker(): Promise<void> {
    let count = GROUP;
    while (count === GROUP) {
      const rows = await take(GROUP);
      if (rows.length > 0) await work(rows);
      count = rows.length;
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: WORKERS }, worker));
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
}

/** The last day that everybody has written down. */
async function open({ sql, clock }: TlsReportDeps): Promise<void> {
  const now = clock();
  const day = dayOf(new Date(now.getTime() - OPENING_MS), -1);
  await sql.begin(async (tx) => {
    if (await claimDay(tx, day)) await openReports(tx, day, now, SPREAD_SECONDS);
  });
}

function dayOf(now: Date, days: number): string {
  return new Date(now.getTime() + days * DAY_MS).toISOString().slice(0, 10);
}

function reportsOf(deps: TlsReportDeps, sender: ReportSender) {
  return async (rows: readonly DueReport[]): Promise<void> => {
    const found = await Promise.all(rows.map((row) => placesFor(deps, row)));
    const unasked: bigint[] = [];
    const unknown: bigint[] = [];
    for (const [i, row] of rows.entries()) {
      const places = found[i];
      if (places === null) unasked.push(row.id);
      else if (places === undefined) {
        if (row.attempts >= MAX_ATTEMPTS) unknown.push(row.id);
      } else await makeOne(deps, sender, row, places);
    }
    if (unasked.length > 0) await dropReports(deps.sql, unasked, 'the domain asks for no reports');
    if (unknown.length > 0) await dropReports(deps.sql, unknown, 'the DNS does not answer');
  };
}

async function makeOne(
  deps: TlsReportDeps,
  sender: ReportSender,
  { id, day, domain }: DueReport,
  places: ReportPlaces,
): Promise<void> {
  const facts = {
    id,
    day,
    domain,
    senderId: sender.id,
    submitter: sender.domain,
    organization: deps.organization ?? sender.domain,
    contact: deps.contact ?? deps.from,
  };
  await deps.sql.begin((tx) => makeAndOrder(deps, tx, facts, places));
}

/** null: it asks for none; undefined: nobody knows now. */
async function placesFor(
  { lookupTxt }: TlsReportDeps,
  { domain }: DueReport,
): Promise<ReportPlaces | null | undefined> {
  const answer = await lookupTxt(`_smtp._tls.${domain}`);
  if (answer.status === 'unknown') return undefined;
  return answer.status === 'none' ? null : parseReportRecord(answer.texts);
}

function postsOf(deps: TlsReportDeps) {
  return async (rows: readonly DuePost[]): Promise<void> => {
    await Promise.all(rows.map((row) => post(deps, row)));
  };
}

async function post(deps: TlsReportDeps, { id, url, attempts, body }: DuePost): Promise<void> {
  const reason = await deps.post(url, body);
  const left = attempts < MAX_ATTEMPTS;
  await settlePost(deps.sql, id, reason === null ? 'sent' : left ? 'pending' : 'failed', reason);
}
