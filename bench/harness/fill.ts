/**
 * bench/fill — a campaign in the middle of its sending, with as many rows as wanted, put there by SQL.
 *
 * Half of the recipients are at one domain, the others at domains of a hundred each, unless
 * `evenDomains` wants so many of one size. Ids, batches and counters stand as the expansion would have
 * left them.
 *
 * Promises: every batch is a full one, whatever `n` (a multiple of 200): what differs between a small
 *           and a large fill is how many batches and domains there are, and nothing else.
 * Why:      there were 2,500 small domains once, whatever `n`. With 100,000 rows their batches held 20,
 *           with a million 100, and "claim with many pending is 4 times as fast as with few" was the
 *           fixed price of a statement, shared by five times the rows.
 */
import { createSender } from '../../src/campaigns/senders.ts';
import { createConverter } from '../../src/campaigns/templates/converter.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { SECRET } from './engine.ts';
import { BOUNCE_DOMAIN, campaignContent, DOMAIN } from './message.ts';
import type { Dkim } from './settings.ts';

/** Recipients of a full batch, and of a small domain. */
export const BATCH_SIZE = 100;
export const BIG_DOMAIN = 'big.example';
/** Rows of one statement: a progress that can be seen, and no transaction of minutes. */
const CHUNK = 1_000_000;

export interface Filled {
  campaignId: bigint;
  n: number;
}

/** Small domain `i`, from 0. The same text as in the statement below. */
export function smallDomain(i: number): string {
  return `d${String(i).padStart(7, '0')}.example`;
}

/** Small domains with a full batch, of `n` recipients. */
export function smallDomainsOf(n: number): number {
  return Math.floor(Math.ceil(n / 2) / BATCH_SIZE);
}

export async function fillCampaign(
  sql: Sql,
  options: {
    n: number;
    state: 'sending' | 'completed' | 'draft';
    sizeBytes: number;
    evenDomains?: number;
  },
): Promise<Filled> {
  const { n, evenDomains = null } = options;
  const campaignId = await insertCampaign(sql, options.state, options.sizeBytes, options.n);
  for (let from = 0; from < n; from += CHUNK) {
    const count = Math.min(CHUNK, n - from);
    await insertRecipients(sql, { campaignId, from, count, n, evenDomains });
  }
  return { campaignId, n };
}

/** Of the keys that a new sender has (RSA and Ed25519), those that shall sign. */
export async function keepKeys(sql: Sql, dkim: Dkim | null): Promise<void> {
  const kept = { rsa: 'rsa-sha256', ed25519: 'ed25519-sha256', none: 'none' }[dkim ?? 'none'];
  await sql`update dkim_keys set state = 'retired' where algorithm <> ${kept}`;
}

/** Makes the recipients deliveries that wait to be sent. */
export async function fillPending(sql: Sql, filled: Filled): Promise<void> {
  for (let from = 0; from < filled.n; from += CHUNK) {
    await sql`
      insert into deliveries (id, campaign_id, recipient_id, state)
      select id, campaign_id, id, 'pending' from recipients
      where id > ${from} and id <= ${from + CHUNK} order by id`;
  }
  await sql`
    insert into batches (campaign_id, domain, first_delivery_id, last_delivery_id)
    select ${filled.campaignId}, domain, min(id), max(id) from (
      select id, domain,
        (row_number() over (partition by domain order by id) - 1) / ${BATCH_SIZE}::int as part
      from recipients
    ) numbered group by domain, part order by min(id)`;
  await sql`
    update campaigns set first_delivery_id = 1, expanded_count = ${filled.n}
    where id = ${filled.campaignId}`;
  await sql`
    insert into counters (name, value) values ('next_delivery_id', ${filled.n + 1})
    on conflict (name) do update set value = excluded.value`;
  await sql`vacuum analyze recipients, deliveries, batches`;
}

async function insertCampaign(
  sql: Sql,
  state: string,
  sizeBytes: number,
  n: number,
): Promise<bigint> {
  const jobs = {
    enqueueExpansion: async () => undefined,
    enqueueCancellation: async () => undefined,
  };
  const convert = createConverter();
  const deps = { sql, clock: systemClock, secret: SECRET, previousSecrets: [], jobs, convert };
  const sender = await createSender(deps, {
    fromAddress: `news@${DOMAIN}`,
    displayName: 'Corner Shop',
    bounceDomain: BOUNCE_DOMAIN,
    unsubscribeBaseUrl: `https://${DOMAIN}`,
  });
  const { subject, source, text } = campaignContent(sizeBytes, true);
  const [content] = await sql<{ id: bigint }[]>`
    insert into contents (subject, format, source, html, text, variables)
    values (${subject}, 'html', ${source}, ${source}, ${text}, '{city,name,points,unsubscribe_url}')
    returning id`;
  const [campaign] = await sql<{ id: bigint }[]>`
    insert into campaigns (name, sender_id, content_id, stream, mode, ttl_seconds, ambiguity_policy,
      state, recipient_count, started_at, expires_at)
    values ('Filled', ${sender.id}, ${content?.id ?? 0n}, 'marketing', 'parallel', 86400, 'hold',
      ${state}, ${n}, now(), now() + interval '1 day')
    returning id`;
  return campaign?.id ?? 0n;
}

interface Chunk extends Filled {
  from: number;
  count: number;
  evenDomains: number | null;
}

async function insertRecipients(sql: Sql, chunk: Chunk): Promise<void> {
  const { campaignId, from, count, n, evenDomains } = chunk;
  await sql`
    insert into recipients (campaign_id, address, address_key, domain, name, variables)
    select ${campaignId}, 'user' || i || '@' || d, 'user' || i || '@' || d, d, 'Name ' || i,
      jsonb_build_object('points', i % 997, 'city', 'Berlin')
    from (
      select i, case
        when ${evenDomains}::bigint is not null
          then 'd' || lpad((i * ${evenDomains}::bigint / ${n}::bigint)::text, 7, '0') || '.example'
        when i < ${n}::bigint / 2 then ${BIG_DOMAIN}
        else 'd' || lpad(((i - ${n}::bigint / 2) / ${BATCH_SIZE})::text, 7, '0') || '.example' end as d
      from generate_series(${from}::bigint, ${from + count - 1}::bigint) i
    ) x order by i`;
}
