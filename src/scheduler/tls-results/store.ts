/** scheduler/tls-results/store — SQL of `tls_results` and the policies they speak of. */
import type { Db } from '../../kernel/postgres/connect.ts';
import type { ResultCount, ResultPolicy } from './tally.ts';

/** Adds to what other processes have counted. `policies`: at least those of `counts`. */
export async function addTlsResults(
  db: Db,
  policies: readonly ResultPolicy[],
  counts: readonly ResultCount[],
): Promise<void> {
  await db`
    with known as (
      insert into tls_result_policies as p (id, type, strings, mx_hosts, last_day)
      select decode(id, 'hex'), type, array(select jsonb_array_elements_text(strings)),
        array(select jsonb_array_elements_text(mx_hosts)), last_day
      from unnest(
        ${policies.map((row) => row.id)}::text[],
        ${policies.map((row) => row.type)}::text[],
        ${policies.map((row) => JSON.stringify(row.strings))}::text[]::jsonb[],
        ${policies.map((row) => JSON.stringify(row.mxHosts))}::text[]::jsonb[],
        ${policies.map((row) => row.lastDay)}::text[]::date[]
      ) as given (id, type, strings, mx_hosts, last_day)
      order by id
      on conflict (id) do update set last_day = excluded.last_day
      where p.last_day < excluded.last_day
    )
    insert into tls_results as r
      (id, day, domain, policy, problem, mx_host, receiving_ip, sending_ip, detail, count)
    select decode(id, 'hex'), day, domain, decode(policy, 'hex'), problem, mx_host, receiving_ip,
      sending_ip, detail, count
    from unnest(
      ${counts.map((row) => row.id)}::text[],
      ${counts.map((row) => row.day)}::text[]::date[],
      ${counts.map((row) => row.domain)}::text[],
      ${counts.map((row) => row.policy)}::text[],
      ${counts.map((row) => row.problem)}::text[],
      ${counts.map((row) => row.mxHost)}::text[],
      ${counts.map((row) => row.receivingIp)}::text[],
      ${counts.map((row) => row.sendingIp)}::text[],
      ${counts.map((row) => row.detail)}::text[],
      ${counts.map((row) => String(row.count))}::text[]::bigint[]
    ) as given (id, day, domain, policy, problem, mx_host, receiving_ip, sending_ip, detail, count)
    order by id
    on conflict (id) do update set count = r.count + excluded.count`;
}

export interface TakenResult {
  /** Hex. */
  policy: string;
  type: string;
  strings: string[];
  mxHosts: string[];
  problem: string | null;
  mxHost: string | null;
  receivingIp: string | null;
  sendingIp: string | null;
  detail: string | null;
  count: bigint;
}

/**
 * Takes the results of a day and domain away. Past the `limit` most frequent ones, hosts and addresses
 * are left out and what is the same then is summed, so a report is bounded and still adds up.
 */
export async function takeTlsResults(
  db: Db,
  day: string,
  domain: string,
  limit: number,
): Promise<TakenResult[]> {
  return await db<TakenResult[]>`
    with taken as (
      delete from tls_results where day = ${day}::text::date and domain = ${domain}
      returning id, policy, problem, mx_host, receiving_ip, sending_ip, detail, count
    ), ranked as (
      select *, row_number() over (order by count desc, id) <= ${limit} as kept from taken
    )
    select encode(p.id, 'hex') as policy, p.type, p.strings, p.mx_hosts, r.problem,
      case when kept then mx_host end as mx_host,
      case when kept then receiving_ip end as receiving_ip,
      case when kept then sending_ip end as sending_ip,
      case when kept then detail end as detail, sum(count)::bigint as count
    from ranked r join tls_result_policies p on p.id = r.policy
    group by p.id, 5, 6, 7, 8, 9
    order by p.id, count desc, 5, 6, 7, 8, 9`;
}

/** Days that nobody made reports of, and policies of none. `day`: the first that stays. */
export async function purgeTlsResults(db: Db, day: string): Promise<void> {
  await db`
    with gone as (delete from tls_results where day < ${day}::text::date)
    delete from tls_result_policies where last_day < ${day}::text::date`;
}
