/** `volley report daily`: to the terminal, by mail once, and what is wrong with the asking. */
import { expect, test } from 'vitest';
import { createSender } from '../../src/campaigns/senders.ts';
import { addCounts } from '../harness/counts.ts';
import { insertCampaign } from '../harness/rows.ts';
import { testDeps } from '../campaigns/fixture.ts';
import { SECRET, useCommandLine } from './volley.ts';

const { database, volley } = useCommandLine();
const DAY = '2026-03-01';
const SETTINGS = {
  VOLLEY_DAILY_REPORT_TO: 'ops@shop.example',
  VOLLEY_DAILY_REPORT_FROM: 'news@shop.example',
};

test('the report of a day is printed, in both languages and as JSON', async () => {
  const campaignId = await insertCampaign(database.sql, { recipients: ['a@qq.com'] });
  const fact = { campaignId, at: new Date(`${DAY}T10:00:00Z`), domain: 'qq.com' };
  await addCounts(database.sql, [
    { ...fact, kind: 'delivery.accepted', class: '', count: 95 },
    { ...fact, kind: 'delivery.bounced', class: 'bad_mailbox', count: 5 },
  ]);
  const printed = await volley(['report', 'daily', '--date', DAY]);
  expect(printed.code).toBe(0);
  expect(printed.output).toMatch(/^Volley: 2026-03-01, 95 delivered, 5 bounced/);
  expect(printed.output).toContain(`bounces-${DAY}.csv`);
  const chinese = await volley(['report', 'daily', '--date', DAY, '--language', 'zh', '--json']);
  const { subject, files } = JSON.parse(chinese.output) as {
    subject: string;
    files: { filename: string; text: string }[];
  };
  expect(subject).toMatch(/^Volley 日报 2026-03-01/);
  expect(files.map(({ filename }) => filename)).toEqual(
    ['providers', 'senders', 'bounces', 'suppressions'].map((name) => `${name}-${DAY}.csv`),
  );
  expect(files[2]?.text).toContain('bad_mailbox');
}, 120_000);

test('it is sent once; a second time, and without settings, it says why not', async () => {
  const deps = { ...testDeps(database.sql), secret: SECRET };
  await createSender(deps, {
    fromAddress: 'news@shop.example',
    displayName: 'Shop',
    bounceDomain: 'bounce.shop.example',
    unsubscribeBaseUrl: 'https://shop.example',
  });
  const send = ['report', 'daily', '--date', DAY, '--send'];
  expect(await volley(send)).toEqual({
    code: 1,
    output: 'volley: VOLLEY_DAILY_REPORT_TO is not set: nobody to send to',
  });
  expect(await volley(send, SETTINGS)).toEqual({
    code: 0,
    output: `the report of ${DAY} is on its way to ops@shop.example`,
  });
  expect(await volley(send, SETTINGS)).toEqual({
    code: 1,
    output: `volley: the report of ${DAY} was sent before`,
  });
  expect(await database.sql`select day from daily_reports`).toHaveLength(1);
}, 120_000);

test('a day that is none is refused', async () => {
  const { code, output } = await volley(['report', 'daily', '--date', '2026-02-30']);
  expect([code, output]).toEqual([1, 'volley: from: must be a day like 2026-03-01']);
}, 120_000);
