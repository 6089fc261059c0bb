/**
 * A domain's policy is in test mode, another's is enforced, and neither certificate verifies: the next
 * day both hear of it, in numbers that are those of the sessions, by mail that its own TLS cannot stop.
 */
import { gunzipSync } from 'node:zlib';
import PostalMime from 'postal-mime';
import { expect, test } from 'vitest';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { takeReportTurn } from '../../src/campaigns/tls-reports/keeper.ts';
import type { TlsReportDocument } from '../../src/campaigns/tls-reports/document.ts';
import { tlsReportDeps } from '../../src/cli/reporting.ts';
import { loadConfig } from '../../src/kernel/config.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { startCampaign, startWorld, until, untilState } from '../harness/world.ts';
import type { TestWorld } from '../harness/world.ts';
import { authority, policyText, startStsHost } from '../mta/tls/sts-host.ts';
import type { StsHost } from '../mta/tls/sts-host.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Not so close to midnight that the campaign has two days. */
const left = DAY_MS - (Date.now() % DAY_MS);
let aheadMs = left < 600_000 ? left : 0;
const clock = (): Date => new Date(Date.now() + aheadMs);

const TESTING = 'qq.example';
const ENFORCED = 'yahoo.example';
const SILENT = 'sina.example';
let web: StsHost;
let world: TestWorld;
const folder = mkdtempSync(join(tmpdir(), 'volley-tls-reports-'));

function txt(name: string, data: string) {
  return { name, type: 'TXT' as const, ttl: 30, data };
}

beforeAll(async () => {
  web = await startStsHost([TESTING, ENFORCED]);
  web.respond = (request, response) => {
    const domain = request.headers.host?.includes(TESTING) === true ? TESTING : ENFORCED;
    const mode = domain === TESTING ? 'testing' : 'enforce';
    response.setHeader('Content-Type', 'text/plain').end(policyText(mode, [`*.${domain}`]));
  };
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, authority.cert);
  world = await startWorld({
    clock,
    env: {
      VOLLEY_MTA_STS_PORT: String(web.port),
      VOLLEY_TLS_CA_FILE: caFile,
      VOLLEY_TLS_REPORT_SENDER: 'news@shop.example',
      VOLLEY_TLS_REPORT_ORGANIZATION: 'Corner Shop Ltd',
    },
    range: {
      tls: 'selfsigned',
      records: [TESTING, ENFORCED].flatMap((domain) => [
        txt(`_mta-sts.${domain}`, 'v=STSv1; id=1'),
        { name: `mta-sts.${domain}`, type: 'A' as const, ttl: 30, data: '127.0.0.1' },
        txt(`_smtp._tls.${domain}`, `v=TLSRPTv1; rua=mailto:reports@${domain}`),
      ]),
    },
  });
});
afterAll(async () => {
  await world.stop();
  await web.close();
  rmSync(folder, { recursive: true, force: true });
});

test('what the sessions of a day came to arrives the next day, with the numbers of the sessions', async () => {
  const { api, sql, range, engine } = world;
  const recipients = Array.from({ length: 40 }, (_, i) => `accept${i}@${TESTING}`);
  const open = await startCampaign(api, { recipients: [...recipients, `accept@${SILENT}`] });
  await untilState(api, open, 'completed');
  const kept = await startCampaign(api, { recipients: [`accept@${ENFORCED}`], ttlSeconds: 3_600 });
  await until(async () => {
    const attempts = await sql`select 1 from events where campaign_id = (
      select max(id) from campaigns) and kind = 'delivery.deferred'`;
    return attempts.length > 0;
  });
  await api.post(`/v1/campaigns/${kept}/cancel`);
  await untilState(api, kept, 'cancelled');
  const results = async () =>
    await sql<{ domain: string; sum: number }[]>`
      select domain, sum(count)::int as sum from tls_results group by domain order by domain`;
  const connections = range.ledger.counts.connections;
  await until(async () => (await results()).reduce((sum, row) => sum + row.sum, 0) === connections);
  const counted = new Map((await results()).map((row) => [row.domain, row.sum]));
  expect([...counted.keys()].sort()).toEqual([TESTING, SILENT, ENFORCED].sort());

  const { config } = loadConfig(world.env);
  const log = createLogger('error');
  const deps = tlsReportDeps(config, engine.deps, log, new AbortController().signal);
  if (deps === null) throw new Error('reports are on');
  aheadMs += DAY_MS - (clock().getTime() % DAY_MS) + HOUR_MS;
  await takeReportTurn(deps);
  aheadMs += 5 * HOUR_MS;
  await takeReportTurn(deps);

  for (const domain of [TESTING, ENFORCED]) {
    await until(() => range.ledger.messagesFor(`reports@${domain}`).length > 0);
    const [message, ...more] = range.ledger.messagesFor(`reports@${domain}`);
    expect(more).toEqual([]);
    const mail = await PostalMime.parse(message?.bytes ?? '');
    const content = mail.attachments[0]?.content as ArrayBuffer;
    const report = JSON.parse(gunzipSync(content).toString()) as TlsReportDocument;
    expect(report['organization-name']).toBe('Corner Shop Ltd');
    expect(report.policies).toHaveLength(1);
    expect(report.policies[0]?.policy).toMatchObject({
      'policy-type': 'sts',
      'policy-domain': domain,
      'mx-host': [`*.${domain}`],
    });
    const summary = report.policies[0]?.summary;
    expect(summary).toEqual({
      'total-successful-session-count': 0,
      'total-failure-session-count': counted.get(domain),
    });
    const details = report.policies[0]?.['failure-details'] ?? [];
    expect(new Set(details.map((row) => row['result-type']))).toEqual(
      new Set(['certificate-not-trusted']),
    );
    const sum = details.reduce((total, row) => total + row['failed-session-count'], 0);
    expect(sum).toBe(counted.get(domain));
  }

  const { data } = await api.get<{ data: { id: string; domain: string }[] }>('/v1/tls-reports');
  expect(data.map(({ domain }) => domain).sort()).toEqual([TESTING, ENFORCED].sort());
  await until(async () => {
    const states = await Promise.all(
      data.map(({ id }) => api.get<{ sendings: { state: string }[] }>(`/v1/tls-reports/${id}`)),
    );
    return states.every(({ sendings }) => sendings[0]?.state === 'accepted');
  });
  expect(await results()).toEqual([]);
}, 120_000);
