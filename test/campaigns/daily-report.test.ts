/** The daily report: when it is due, that it goes out once, and that it says what the API says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import PostalMime from 'postal-mime';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { makeDailyReport } from '../../src/campaigns/daily-report/daily-report.ts';
import { sendDueReports } from '../../src/campaigns/daily-report/keeper.ts';
import type { DailyReportSettings } from '../../src/campaigns/daily-report/keeper.ts';
import { loadReportLetter } from '../../src/campaigns/daily-report/letter.ts';
import { dueAt, dueDays } from '../../src/campaigns/daily-report/schedule.ts';
import { createMessageSource } from '../../src/campaigns/source.ts';
import { dailyReportSettings } from '../../src/cli/reporting.ts';
import { loadConfig } from '../../src/kernel/config.ts';
import { AppError } from '../../src/kernel/errors.ts';
import { addCounts } from '../harness/counts.ts';
import { useDatabase } from '../harness/database.ts';
import { insertCampaign } from '../harness/rows.ts';
import { makeSender, testDeps } from './fixture.ts';
import { bytesOf } from '../harness/message.ts';

const database = useDatabase();
let now = new Date('2026-03-02T07:00:00Z');
const deps = () => ({ ...testDeps(database.sql), clock: () => now });

const SETTINGS: DailyReportSettings = {
  to: ['ops@shop.example', 'boss@shop.example'],
  from: 'news@shop.example',
  at: '07:00',
  zone: 'UTC',
  compose: loadReportLetter('en'),
};

beforeEach(async () => {
  now = new Date('2026-03-02T07:00:00Z');
  await database.sql`
    truncate daily_reports, notice_attachments, provider_pauses, notices, recipients, campaigns, senders, dkim_keys,
      provider_rollups, daily_rollups, minute_rollups cascade`;
});

async function aDay(): Promise<void> {
  const campaignId = await insertCampaign(database.sql, { recipients: ['a@qq.com'] });
  const at = new Date('2026-03-01T10:00:00Z');
  const fact = { campaignId, at, domain: 'qq.com' };
  await addCounts(database.sql, [
    { ...fact, kind: 'delivery.accepted', class: '', count: 1_200 },
    { ...fact, kind: 'delivery.bounced', class: 'bad_mailbox', count: 60 },
    { ...fact, kind: 'delivery.accepted', class: '', count: 7, domain: 'gmail.com' },
  ]);
}

const noticeCampaigns = () => database.sql<{ id: bigint; recipientCount: bigint }[]>`
  select id, recipient_count from campaigns where purpose = 'notice' order by id`;

describe('due', () => {
  const none = new Set<string>();
  const at = (text: string) => new Date(text);

  test('at its time in its zone, in summer and in winter', () => {
    const berlin = { at: '07:30', zone: 'Europe/Berlin' };
    expect(dueAt(berlin, '2026-01-10').toISOString()).toBe('2026-01-11T06:30:00.000Z');
    expect(dueAt(berlin, '2026-07-10').toISOString()).toBe('2026-07-11T05:30:00.000Z');
    const shanghai = { at: '09:00', zone: 'Asia/Shanghai' };
    expect(dueAt(shanghai, '2026-03-01').toISOString()).toBe('2026-03-02T01:00:00.000Z');
    expect(dueAt({ at: '00:00', zone: 'UTC' }, '2026-03-01').toISOString()).toBe(
      '2026-03-02T00:00:00.000Z',
    );
  });

  test('first only yesterday; then what was missed, for a week', () => {
    const utc = { at: '07:00', zone: 'UTC' };
    expect(dueDays(utc, none, at('2026-03-10T06:59:59Z'))).toEqual([]);
    expect(dueDays(utc, none, at('2026-03-10T07:00:00Z'))).toEqual(['2026-03-09']);
    const made = new Set(['2026-03-06', '2026-03-08']);
    expect(dueDays(utc, made, at('2026-03-10T08:00:00Z'))).toEqual(['2026-03-07', '2026-03-09']);
    expect(dueDays(utc, made, at('2026-03-30T08:00:00Z'))).toEqual(['2026-03-29']);
    expect(dueDays(utc, new Set(['2027-01-01']), at('2026-03-10T08:00:00Z'))).toHaveLength(1);
  });
});

test('one a day, for two processes at once, after a restart, and late for what was missed', async () => {
  await makeSender(deps());
  now = new Date('2026-03-02T06:59:00Z');
  expect(await sendDueReports(deps(), SETTINGS)).toEqual([]);
  now = new Date('2026-03-02T07:00:30Z');
  const both = await Promise.all([
    sendDueReports(deps(), SETTINGS),
    sendDueReports(deps(), SETTINGS),
  ]);
  expect(both.flat()).toEqual(['2026-03-01']);
  expect(await sendDueReports(deps(), SETTINGS)).toEqual([]);
  expect(await noticeCampaigns()).toMatchObject([{ recipientCount: 2n }]);

  now = new Date('2026-03-04T12:00:00Z');
  expect(await sendDueReports(deps(), SETTINGS)).toEqual(['2026-03-02', '2026-03-03']);
  expect(await noticeCampaigns()).toHaveLength(3);
});

test('without a sender nothing is lost: the day stays due', async () => {
  await expect(sendDueReports(deps(), SETTINGS)).rejects.toMatchObject({ code: 'config_invalid' });
  await makeSender(deps());
  expect(await sendDueReports(deps(), SETTINGS)).toEqual(['2026-03-01']);
});

test('the mail has HTML, text and the files, the same bytes in every process', async () => {
  await makeSender(deps());
  await aDay();
  await database.sql`
    insert into provider_pauses (sender_id, provider, reason, created_by)
    select id, 'qq', 'wait {{until}} { monday', 'me' from senders limit 1`;
  await sendDueReports(deps(), SETTINGS);
  const [campaign] = await noticeCampaigns();
  const [row] = await database.sql<{ variablesJson: string | null }[]>`
    select variables::text as variables_json from recipients where campaign_id = ${campaign?.id ?? 0n}`;
  const render = async () => {
    const messages = await createMessageSource(deps()).open(campaign?.id ?? 0n);
    const rendered = await messages.render({
      deliveryId: 1n,
      recipientId: 1n,
      address: 'ops@shop.example',
      name: null,
      variablesJson: row?.variablesJson ?? null,
    });
    if (!rendered.ok) throw new Error(rendered.reason);
    return bytesOf(rendered.message);
  };
  const bytes = await render();
  expect(Buffer.compare(bytes, await render())).toBe(0);
  const mail = await PostalMime.parse(bytes);

  expect(mail.subject).toBe('Volley: 2026-03-01, 1,207 delivered, 60 bounced (4.97 %)');
  expect(mail.html).toContain('<td>qq</td><td align="right">1,200</td>');
  expect(mail.html).toContain('qq: wait &#123;&#123;until}} &#123; monday</li>');
  expect(mail.text).toContain('qq: wait {{until}} { monday');
  expect(mail.text).toContain('1,207');
  expect(mail.attachments.map(({ filename, mimeType }) => [filename, mimeType])).toEqual([
    ['bounces-2026-03-01.csv', 'text/csv'],
    ['providers-2026-03-01.csv', 'text/csv'],
    ['senders-2026-03-01.csv', 'text/csv'],
    ['suppressions-2026-03-01.csv', 'text/csv'],
  ]);
  const made = await makeDailyReport(deps(), '2026-03-01', loadReportLetter('en'));
  const text = (content: unknown) => Buffer.from(content as Uint8Array).toString('utf8');
  for (const file of made.files) {
    const attached = mail.attachments.find(({ filename }) => filename === file.filename);
    expect(text(attached?.content)).toBe(text(file.body));
  }
});

test('in Chinese; what a name holds is neither markup nor a template', async () => {
  await aDay();
  await database.sql`update senders set from_address = '<b>{{x}}@shop.example'`;
  const { letter } = await makeDailyReport(deps(), '2026-03-01', loadReportLetter('zh'));
  expect(letter.subject).toBe('Volley 日报 2026-03-01：送达 1,207，退信 60（4.97 %）');
  expect(letter.html).toContain('&lt;b&gt;{{x}}@shop.example');
  expect(letter.html).not.toContain('<b>');
});

describe("the letter's template", () => {
  const config = (language: string) =>
    loadConfig({
      VOLLEY_DAILY_REPORT_TO: 'ops@shop.example',
      VOLLEY_DAILY_REPORT_FROM: 'news@shop.example',
      VOLLEY_DAILY_REPORT_LANGUAGE: language,
    }).config;
  const folder = mkdtempSync(join(tmpdir(), 'volley-letter-'));
  const file = join(folder, 'daily.zh.html');
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['is missing', null, 'cannot read'],
    ['has no subject', '<p>{{day}}</p>', 'must hold a subject'],
    ['is no template', 'Report\n\n<p>{{#if day}}</p>', 'daily.zh.html'],
  ])('that %s is said when Volley starts', (_what, source, complaint) => {
    rmSync(file, { force: true });
    if (source !== null) writeFileSync(file, source);
    const starting = () => dailyReportSettings(config('zh'), folder);
    expect(starting).toThrow(complaint);
    expect(starting).toThrow(AppError);
  });

  test('is read once: what happens to the file afterwards stops no report', async () => {
    writeFileSync(file, 'Report of {{day}}\n\n<p>{{day}}</p>\n');
    const settings = dailyReportSettings(config('zh'), folder);
    rmSync(file);
    if (settings === null) throw new Error('the daily report is on');
    await makeSender(deps());
    expect(await sendDueReports(deps(), settings)).toEqual(['2026-03-01']);
  });
});
