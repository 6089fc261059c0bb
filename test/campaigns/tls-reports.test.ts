/** TLS reports: their words, their making, their sending. Real PostgreSQL, a real web server. */
import { gunzipSync } from 'node:zlib';
import PostalMime from 'postal-mime';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createMessageSource } from '../../src/campaigns/source.ts';
import { getTlsReport, listTlsReports, sendTlsReport } from '../../src/campaigns/tls-reports.ts';
import { composeReport } from '../../src/campaigns/tls-reports/document.ts';
import { takeReportTurn } from '../../src/campaigns/tls-reports/keeper.ts';
import type { TlsReportDeps } from '../../src/campaigns/tls-reports/keeper.ts';
import type { TxtAnswer } from '../../src/campaigns/deps.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { tlsProblem } from '../../src/mta/tls/problem.ts';
import { postReport } from '../../src/mta/tls/rpt-post.ts';
import { addTlsResults } from '../../src/scheduler/tls-results/store.ts';
import type { TakenResult } from '../../src/scheduler/tls-results/store.ts';
import { createTally } from '../../src/scheduler/tls-results/tally.ts';
import { useDatabase } from '../harness/database.ts';
import { authority, startStsHost } from '../mta/tls/sts-host.ts';
import type { StsHost } from '../mta/tls/sts-host.ts';
import { makeSender, testDeps } from './fixture.ts';
import { bytesOf } from '../harness/message.ts';

/** RFC 8460 4.4, in the words of a schema. */
const count = z.int().nonnegative();
const Document = z.strictObject({
  'organization-name': z.string().min(1),
  'date-range': z.strictObject({
    'start-datetime': z.iso.datetime(),
    'end-datetime': z.iso.datetime(),
  }),
  'contact-info': z.string().min(1),
  'report-id': z.string().min(1),
  policies: z
    .array(
      z.strictObject({
        policy: z.strictObject({
          'policy-type': z.enum(['tlsa', 'sts', 'no-policy-found']),
          'policy-string': z.array(z.string()).min(1).optional(),
          'policy-domain': z.string(),
          'mx-host': z.array(z.string()).min(1).optional(),
        }),
        summary: z.strictObject({
          'total-successful-session-count': count,
          'total-failure-session-count': count,
        }),
        'failure-details': z
          .array(
            z.strictObject({
              'result-type': z.string(),
              'sending-mta-ip': z.string().optional(),
              'receiving-mx-hostname': z.string().optional(),
              'receiving-ip': z.string().optional(),
              'failed-session-count': count,
              'failure-reason-code': z.string().optional(),
            }),
          )
          .min(1)
          .optional(),
      }),
    )
    .min(1),
});

const STS = ['version: STSv1', 'mode: testing', 'mx: *.mail.y.example', 'max_age: 86400'];

describe('words', () => {
  const row = (more: Partial<TakenResult>): TakenResult => ({
    policy: 'aa',
    type: 'sts',
    strings: STS,
    mxHosts: ['*.mail.y.example'],
    problem: null,
    mxHost: null,
    receivingIp: null,
    sendingIp: null,
    detail: null,
    count: 1n,
    ...more,
  });

  test('are those of the RFC', () => {
    const facts = {
      id: 7n,
      day: '2026-03-01',
      domain: 'y.example',
      organization: 'Shop',
      contact: 'tls@shop.example',
      submitter: 'shop.example',
    };
    const document = composeReport(facts, [
      row({ count: 5_326n }),
      row({
        problem: 'certificate-expired',
        sendingIp: '2001:db8::1',
        mxHost: 'mx1.mail.y.example',
        receivingIp: '203.0.113.56',
        detail: 'CERT_HAS_EXPIRED',
        count: 100n,
      }),
      row({ problem: 'validation-failure', count: 3n }),
      row({ policy: 'bb', type: 'no-policy-found', strings: [], mxHosts: [], count: 2n }),
    ]);
    expect(Document.parse(document)).toEqual(document);
    expect(document).toEqual({
      'organization-name': 'Shop',
      'date-range': {
        'start-datetime': '2026-03-01T00:00:00Z',
        'end-datetime': '2026-03-01T23:59:59Z',
      },
      'contact-info': 'tls@shop.example',
      'report-id': 'tlr_0000000000007@shop.example',
      policies: [
        {
          policy: {
            'policy-type': 'sts',
            'policy-string': STS,
            'policy-domain': 'y.example',
            'mx-host': ['*.mail.y.example'],
          },
          summary: { 'total-successful-session-count': 5_326, 'total-failure-session-count': 103 },
          'failure-details': [
            {
              'result-type': 'certificate-expired',
              'sending-mta-ip': '2001:db8::1',
              'receiving-mx-hostname': 'mx1.mail.y.example',
              'receiving-ip': '203.0.113.56',
              'failed-session-count': 100,
              'failure-reason-code': 'CERT_HAS_EXPIRED',
            },
            { 'result-type': 'validation-failure', 'failed-session-count': 3 },
          ],
        },
        {
          policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'y.example' },
          summary: { 'total-successful-session-count': 2, 'total-failure-session-count': 0 },
        },
      ],
    });
  });
});

describe('making and sending', () => {
  const database = useDatabase();
  let web: StsHost;
  let now = new Date();
  const records = new Map<string, TxtAnswer>();
  const posted: { type: string | undefined; body: Buffer }[] = [];
  let status = 200;

  beforeAll(async () => {
    web = await startStsHost(['reports.y.example']);
    await makeSender(deps());
  });
  afterAll(() => web.close());
  beforeEach(async () => {
    now = new Date('2026-03-01T12:00:00Z');
    records.clear();
    posted.length = 0;
    status = 200;
    await database.sql`truncate tls_results, tls_reports, tls_report_mails, tls_report_posts,
      campaigns, recipients, notices, counters cascade`;
    web.respond = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        posted.push({ type: request.headers['content-type'], body: Buffer.concat(chunks) });
        response.writeHead(status).end();
      });
    };
  });

  function deps(more: Partial<TlsReportDeps> = {}) {
    return {
      ...testDeps(database.sql),
      clock: () => now,
      log: createLogger('silent'),
      lookupTxt: async (name: string) => records.get(name) ?? ({ status: 'none' } as const),
      post: (url: string, body: Uint8Array) =>
        postReport(url, body, { addresses: ['127.0.0.1'], ca: [authority.cert], timeoutMs: 5_000 }),
      from: 'news@shop.example',
      organization: 'The Shop',
      contact: null,
      ...more,
    };
  }

  async function sessions(domain: string, good: number, bad: number, at = now): Promise<void> {
    const tally = createTally();
    const policy = { domain, type: 'sts' as const, strings: STS, mxHosts: ['*.mail.y.example'] };
    const where = { mxHost: 'mx1.y.example', receivingIp: '192.0.2.1', sendingIp: '192.0.2.9' };
    for (let i = 0; i < good + bad; i += 1) {
      const problem = i < good ? null : tlsProblem('certificate-expired', 'CERT_HAS_EXPIRED');
      tally.add({ policy, ...where, problem }, at);
    }
    const { policies, counts } = tally.take();
    await addTlsResults(database.sql, policies, counts);
  }

  function asks(domain: string, rua: string): void {
    records.set(`_smtp._tls.${domain}`, { status: 'answer', texts: [`v=TLSRPTv1; rua=${rua}`] });
  }

  const places = () =>
    `mailto:tls@y.example,https://mta-sts.reports.y.example:${web.port}/v1,mailto:b@z.example`;

  /** Opens the day, and takes what has fallen due in its four hours. */
  async function nextDay(times = 1): Promise<void> {
    now = new Date('2026-03-02T00:10:00Z');
    await Promise.all(Array.from({ length: times }, () => takeReportTurn(deps())));
    now = new Date('2026-03-02T04:30:00Z');
    await Promise.all(Array.from({ length: times }, () => takeReportTurn(deps())));
  }

  const reports = async () =>
    (await listTlsReports(deps(), { limit: 10, after: null, domain: null })).data;

  test('once a day, by one of many processes: mail, post, and the report to look at', async () => {
    asks('y.example', places());
    await sessions('y.example', 3, 2);
    await sessions('silent.example', 1, 0);
    now = new Date('2026-03-02T00:09:59Z');
    await takeReportTurn(deps());
    expect(await database.sql`select 1 from tls_reports`).toHaveLength(0);
    await nextDay(4);

    const [report, ...others] = await reports();
    expect(others).toEqual([]);
    expect(report).toMatchObject({
      domain: 'y.example',
      day: '2026-03-01',
      state: 'sent',
      successes: 3n,
      failures: 2n,
      note: null,
    });
    const { document, sendings } = await getTlsReport(deps(), report?.id ?? 0n);
    expect(Document.parse(document)).toEqual(document);
    expect(document).toMatchObject({
      'organization-name': 'The Shop',
      'contact-info': 'news@shop.example',
    });
    expect(sendings.map(({ to, state }) => [to, state]).sort()).toEqual([
      ['b@z.example', 'pending'],
      [`https://mta-sts.reports.y.example:${web.port}/v1`, 'sent'],
      ['tls@y.example', 'pending'],
    ]);
    expect(posted.map(({ type }) => type)).toEqual(['application/tlsrpt+gzip']);
    const [first] = posted;
    const sent: unknown = JSON.parse(gunzipSync(first?.body ?? Buffer.alloc(0)).toString());
    expect(sent).toEqual(document);
    expect(await database.sql`select 1 from campaigns`).toHaveLength(1);
    // Who asks for nothing leaves nothing.
    expect(await database.sql`select 1 from tls_results`).toHaveLength(0);
    expect(await database.sql`select 1 from tls_reports`).toHaveLength(1);
  });

  test('the mail is the one of RFC 8460 5.3, signed, and waives the TLS policy', async () => {
    asks('y.example', 'mailto:tls@y.example');
    await sessions('y.example', 1, 1);
    await nextDay();
    const [row] = await database.sql<{ campaignId: bigint; variablesJson: string | null }[]>`
      select campaign_id, variables::text as variables_json from recipients`;
    const messages = await createMessageSource(deps()).open(row?.campaignId ?? 0n);
    expect(messages.protection).toBe('waived');
    const rendered = await messages.render({
      deliveryId: 1n,
      recipientId: 1n,
      address: 'tls@y.example',
      name: null,
      variablesJson: row?.variablesJson ?? null,
    });
    if (!rendered.ok) throw new Error(rendered.reason);
    const bytes = bytesOf(rendered.message);
    const raw = bytes.toString('latin1');
    const mail = await PostalMime.parse(bytes);
    const [report] = await reports();
    const id = report?.id ?? 0n;
    const name = `tlr_${String(id).padStart(13, '0')}`;
    expect(mail.subject).toBe(
      `Report Domain: y.example Submitter: shop.example Report-ID: <${name}@shop.example>`,
    );
    const field = (key: string) => mail.headers.find((each) => each.key === key)?.value;
    expect(field('tls-report-domain')).toBe('y.example');
    expect(field('tls-report-submitter')).toBe('shop.example');
    expect(field('auto-submitted')).toBe('auto-generated');
    expect(field('content-type')).toMatch(/^multipart\/report; report-type=tlsrpt;/);
    expect(field('dkim-signature')?.toLowerCase()).toContain('tls-report-domain');
    expect(mail.text).toContain('aggregate TLS report from shop.example');
    expect(mail.html ?? '').toBe('');
    expect(mail.attachments).toHaveLength(1);
    const [attachment] = mail.attachments;
    expect(attachment).toMatchObject({
      mimeType: 'application/tlsrpt+gzip',
      filename: `shop.example!y.example!1772323200!1772409599!${name.slice(4)}.json.gz`,
    });
    const { document } = await getTlsReport(deps(), id);
    const content = attachment?.content as ArrayBuffer;
    expect(JSON.parse(gunzipSync(content).toString())).toEqual(document);
    expect(raw.split('\r\n').every((line) => line.length <= 998)).toBe(true);
  });

  test('many domains, some that ask, some that do not, some that hang: each gets its own', async () => {
    for (let i = 0; i < 120; i += 1) {
      await sessions(`d${i}.example`, 1, i % 3);
      if (i % 4 === 0) asks(`d${i}.example`, `mailto:tls@d${i}.example`);
      if (i % 4 === 1) records.set(`_smtp._tls.d${i}.example`, { status: 'unknown', reason: 'x' });
    }
    await nextDay(2);
    const rows = await database.sql<{ domain: string; failures: bigint }[]>`
      select domain, failures from tls_reports where made_at is not null`;
    expect(new Map(rows.map((row) => [row.domain, Number(row.failures)]))).toEqual(
      new Map(Array.from({ length: 30 }, (_, i) => [`d${i * 4}.example`, (i * 4) % 3])),
    );
    const left = await database.sql`select 1 from tls_results`;
    const waiting = await database.sql`select 1 from tls_reports where state = 'waiting'`;
    expect(waiting).toHaveLength(30);
    expect(left.length).toBe(30 + 20);
    const mails = await database.sql<{ address: string }[]>`select address from recipients`;
    expect(mails).toHaveLength(30);
  });

  test('a post that fails is tried six times within a day, and its reason is kept', async () => {
    asks('y.example', `https://mta-sts.reports.y.example:${web.port}/v1`);
    await sessions('y.example', 1, 0);
    status = 503;
    await nextDay();
    const sendings = async () =>
      (await getTlsReport(deps(), (await reports())[0]?.id ?? 0n)).sendings;
    expect(await sendings()).toMatchObject([{ state: 'pending', reason: 'HTTP status 503' }]);
    for (let i = 0; i < 30; i += 1) {
      now = new Date(now.getTime() + 3_600_000);
      await takeReportTurn(deps());
    }
    expect(posted).toHaveLength(6);
    expect(await sendings()).toMatchObject([{ state: 'failed', reason: 'HTTP status 503' }]);
  });

  test('posts: no address of ours, no stranger behind the name, no redirect', async () => {
    const url = `https://mta-sts.reports.y.example:${web.port}/v1`;
    const body = Buffer.from('x');
    const ca = [authority.cert];
    expect(await postReport(url, body, { addresses: [], ca })).toMatch(/no address/);
    expect(await postReport(url, body, { addresses: ['127.0.0.1'], ca: null })).toMatch(
      /CERT|SELF|ISSUER|LEAF/,
    );
    status = 302;
    expect(await postReport(url, body, { addresses: ['127.0.0.1'], ca })).toBe('HTTP status 302');
    web.respond = () => undefined;
    const silent = await postReport(url, body, { addresses: ['127.0.0.1'], ca, timeoutMs: 100 });
    expect(silent).not.toBeNull();
  });

  test('a DNS that does not answer is asked again, six times, and then it is given up', async () => {
    records.set('_smtp._tls.y.example', { status: 'unknown', reason: 'timeout' });
    await sessions('y.example', 1, 0);
    await nextDay();
    expect(await database.sql`select 1 from tls_results`).toHaveLength(1);
    asks('y.example', 'mailto:tls@y.example');
    now = new Date(now.getTime() + 3_600_000);
    await takeReportTurn(deps());
    expect(await reports()).toMatchObject([{ successes: 1n }]);

    records.set('_smtp._tls.w.example', { status: 'unknown', reason: 'timeout' });
    await sessions('w.example', 1, 0);
    for (let i = 0; i < 60; i += 1) {
      now = new Date(now.getTime() + 3_600_000);
      await takeReportTurn(deps());
    }
    expect(await database.sql`select 1 from tls_results`).toHaveLength(0);
    expect(await reports()).toHaveLength(1);
  });

  test('without its sender nothing is made, and nothing is lost for a week', async () => {
    asks('y.example', 'mailto:tls@y.example');
    await sessions('y.example', 1, 0);
    now = new Date('2026-03-02T06:00:00Z');
    const stranger = deps({ from: 'nobody@shop.example' });
    await takeReportTurn(stranger);
    now = new Date('2026-03-04T06:00:00Z');
    await takeReportTurn(stranger);
    expect(await reports()).toEqual([]);
    await takeReportTurn(deps());
    expect(await reports()).toMatchObject([{ day: '2026-03-01', state: 'sent' }]);
    now = new Date('2026-06-04T06:00:00Z');
    await takeReportTurn(deps());
    expect(await reports()).toEqual([]);
  });

  test('again, when it is asked for: to whoever the domain names now', async () => {
    asks('y.example', 'mailto:tls@y.example');
    await sessions('y.example', 1, 0);
    await nextDay();
    const id = (await reports())[0]?.id ?? 0n;
    asks('y.example', 'mailto:new@y.example');
    await sendTlsReport(deps(), id);
    await takeReportTurn(deps());
    const { sendings, state } = await getTlsReport(deps(), id);
    expect(state).toBe('sent');
    expect(sendings.map(({ to }) => to).sort()).toEqual(['new@y.example', 'tls@y.example']);
    records.clear();
    await sendTlsReport(deps(), id);
    await takeReportTurn(deps());
    expect((await reports())[0]?.note).toBe('the domain asks for no reports');
    await expect(sendTlsReport(deps(), 999n)).rejects.toMatchObject({ code: 'not_found' });
  });
});
