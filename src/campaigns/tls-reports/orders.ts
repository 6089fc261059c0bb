/**
 * campaigns/tls-reports/orders — makes one report and orders its sending.
 *
 * Promises: one transaction takes the day's results away, keeps the report, and orders mail and posts:
 *           there is no half of it, and two processes never do it twice.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Tx } from '../../kernel/postgres/connect.ts';
import type { ReportPlaces } from '../../mta/tls/rpt-record.ts';
import { takeTlsResults } from '../../scheduler/tls-results/store.ts';
import { orderNotices, TEXT_ALONE } from '../notices.ts';
import type { NoticeDeps } from '../notices.ts';
import { composeReport, failuresOf, reportSubject, reportText, successesOf } from './document.ts';
import type { ReportFacts } from './document.ts';
import {
  closeReport,
  dropReports,
  insertReportMail,
  insertReportPosts,
  lockReport,
  saveReport,
} from './store.ts';

/** About 2 MB of JSON. */
const MAX_DETAILS = 5_000;
/** A stranger's record may name anybody; one mailbox may serve many domains. */
const PER_ADDRESS_A_DAY = 1_000;
/** RFC 8460 5.5: tried again for a day. */
const TTL_SECONDS = 86_400;

export async function makeAndOrder(
  deps: NoticeDeps,
  tx: Tx,
  facts: ReportFacts & { senderId: bigint },
  places: ReportPlaces,
): Promise<void> {
  const { id } = facts;
  const locked = await lockReport(tx, id);
  if (locked === null) return;
  if (locked.body === null && !(await make(deps, tx, facts))) {
    await dropReports(tx, [id], '');
    return;
  }
  const note = await orderMail(deps, tx, facts, places.mail);
  await insertReportPosts(tx, id, places.web, deps.clock());
  await closeReport(tx, id, note);
}

/** False: there is nothing to say. */
async function make(deps: NoticeDeps, tx: Tx, facts: ReportFacts): Promise<boolean> {
  const results = await takeTlsResults(tx, facts.day, facts.domain, MAX_DETAILS);
  if (results.length === 0) return false;
  const body = await promisify(gzip)(JSON.stringify(composeReport(facts, results)));
  await saveReport(tx, {
    id: facts.id,
    body,
    successes: successesOf(results),
    failures: failuresOf(results),
    at: deps.clock(),
  });
  return true;
}

async function orderMail(
  deps: NoticeDeps,
  tx: Tx,
  facts: ReportFacts & { senderId: bigint },
  addresses: readonly string[],
): Promise<string | null> {
  if (addresses.length === 0) return null;
  const letter = { subject: reportSubject(facts), text: reportText(facts), replyTo: null };
  const { campaignId, count } = await orderNotices(
    deps,
    tx,
    {
      kind: 'tls_report',
      senderId: facts.senderId,
      notices: addresses.map((to) => ({ to, ...letter })),
      perAddressADay: PER_ADDRESS_A_DAY,
      perHour: null,
    },
    { content: TEXT_ALONE, ttlSeconds: TTL_SECONDS },
  );
  if (campaignId !== null) await insertReportMail(tx, facts.id, campaignId);
  const left = new Set(addresses.map((address) => address.toLowerCase())).size - count;
  return left === 0 ? null : `${left} addresses had ${PER_ADDRESS_A_DAY} reports today`;
}
