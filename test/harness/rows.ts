/**
 * harness/rows — a campaign with recipients, put into the tables directly: for tests of the
 * scheduler, which must not depend on uploads and templates.
 */
import type { Sql } from '../../src/kernel/postgres/connect.ts';

export interface CampaignRows {
  stream?: string;
  ambiguityPolicy?: string;
  state?: string;
  ttlSeconds?: number;
  /** Addresses, or how many of each domain. */
  recipients: readonly string[] | Record<string, number>;
}

export async function insertCampaign(sql: Sql, rows: CampaignRows): Promise<bigint> {
  const [sender] = await sql<{ id: bigint }[]>`
    insert into senders (from_address, display_name, domain, bounce_domain)
    values ('news@shop.example', 'Shop', 'shop.example', 'bounce.shop.example') returning id`;
  const [content] = await sql<{ id: bigint }[]>`
    insert into contents (subject, format, source, html, text, variables)
    values ('Hello', 'html', '<p>Hi</p>', '<p>Hi</p>', 'Hi', '{}') returning id`;
  const [campaign] = await sql<{ id: bigint }[]>`
    insert into campaigns (name, sender_id, content_id, stream, mode, ttl_seconds,
      ambiguity_policy, state, started_at, expires_at)
    values ('Test', ${sender?.id ?? 0n}, ${content?.id ?? 0n}, ${rows.stream ?? 'marketing'},
      'parallel', ${rows.ttlSeconds ?? 3600}, ${rows.ambiguityPolicy ?? 'hold'},
      ${rows.state ?? 'expanding'}, now(), now() + make_interval(secs => ${rows.ttlSeconds ?? 3600}))
    returning id`;
  const id = campaign?.id ?? 0n;
  if (Array.isArray(rows.recipients)) await insertAddresses(sql, id, rows.recipients as string[]);
  else {
    for (const [domain, count] of Object.entries(rows.recipients as Record<string, number>)) {
      await sql`
        insert into recipients (campaign_id, address, address_key, domain)
        select ${id}, 'r' || n || '@' || ${domain}::text, 'r' || n || '@' || ${domain}::text, ${domain}
        from generate_series(1, ${count}::int) n`;
    }
  }
  await sql`
    update campaigns set recipient_count = (select count(*) from recipients where campaign_id = ${id})
    where id = ${id}`;
  return id;
}

async function insertAddresses(sql: Sql, id: bigint, addresses: string[]): Promise<void> {
  await sql`
    insert into recipients (campaign_id, address, address_key, domain)
    select ${id}, a, a, split_part(a, '@', 2) from unnest(${addresses}::text[]) a`;
}
