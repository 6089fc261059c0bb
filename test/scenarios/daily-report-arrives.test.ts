/** The daily report arrives in the practice world, with the figures of the API attached. */
import PostalMime from 'postal-mime';
import { expect, test } from 'vitest';
import { sendDailyReport } from '../../src/campaigns/daily-report/keeper.ts';
import { loadReportLetter } from '../../src/campaigns/daily-report/letter.ts';
import { account, startCampaign, until, untilState, useWorld } from '../harness/world.ts';
import { formatId } from '../../src/kernel/ids.ts';

const world = useWorld({ env: { VOLLEY_ALARM_INTERVAL_SECONDS: '1' } });

test('what is attached is what the API answers, and the mail is accounted for', async () => {
  const { api, engine, range, sql } = world;
  const recipients = ['accept+a@qq.example', 'unknown+b@qq.example', 'accept+c@gmail.example'];
  const id = await startCampaign(api, { recipients });
  await untilState(api, id, 'completed');
  const day = new Date().toISOString().slice(0, 10);
  const settings = {
    to: ['ops@gmail.example'],
    from: 'news@shop.example',
    compose: loadReportLetter('en'),
  };
  const both = await Promise.all([
    sendDailyReport(engine.deps, settings, day),
    sendDailyReport(engine.deps, settings, day),
  ]);
  expect(both.sort()).toEqual([false, true]);

  await until(() => range.ledger.messagesFor('ops@gmail.example').length > 0);
  const [message] = range.ledger.messagesFor('ops@gmail.example');
  const mail = await PostalMime.parse(message?.bytes ?? '');
  expect(mail.subject).toBe(`Volley: ${day}, 2 delivered, 1 bounced (50 %)`);
  const csv = mail.attachments.find(({ filename }) => filename === `providers-${day}.csv`);
  const asked = await api.get<{ data: Record<string, string | number | null>[] }>(
    `/v1/reports/domains?from=${day}&to=${day}&group_by=provider`,
  );
  const [head = '', ...rows] = Buffer.from(csv?.content as ArrayBuffer)
    .toString('utf8')
    .trim()
    .split('\r\n');
  const attached = rows.map((row) => {
    const cells = row.split(',');
    return Object.fromEntries(head.split(',').map((name, n) => [name, cells[n] ?? '']));
  });
  expect(attached.map(({ provider }) => provider)).toEqual(asked.data.map(({ key }) => key));
  for (const [n, row] of asked.data.entries()) {
    for (const name of ['delivered', 'bounced', 'bounced_late', 'deferred', 'bounce_rate']) {
      expect(attached[n]?.[name]).toBe(String(row[name] ?? ''));
    }
  }
  const [notice] = await sql<{ id: bigint }[]>`select id from campaigns where purpose = 'notice'`;
  const noticeId = formatId('cmp', notice?.id ?? 0n);
  await untilState(api, noticeId, 'completed');
  expect(await account(world, noticeId)).toMatchObject({ accepted: 1 });
  expect(range.ledger.messagesFor('ops@gmail.example')).toHaveLength(1);
}, 60_000);
