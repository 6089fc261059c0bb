import { gzipSync } from 'node:zlib';
import iconv from 'iconv-lite';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listRejects, uploadRecipients } from '../../src/campaigns/audience.ts';
import type { UploadOptions } from '../../src/campaigns/audience.ts';
import { getCampaign } from '../../src/campaigns/campaigns.ts';
import { startCampaign } from '../../src/campaigns/lifecycle.ts';
import { useDatabase } from '../harness/database.ts';
import { chunks, makeCampaign, makeSender, testDeps, uploadCsv } from './fixture.ts';

const database = useDatabase();
const deps = () => testDeps(database.sql);
const CSV: UploadOptions = { format: 'csv', gzip: false };
const NDJSON: UploadOptions = { format: 'ndjson', gzip: false };

async function recipientsOf(campaignId: bigint) {
  return database.sql<
    { address: string; name: string | null; variables: Record<string, unknown> | null }[]
  >`select address, name, variables from recipients where campaign_id = ${campaignId} order by address`;
}

/** Nothing of a failed upload may be left anywhere. */
async function expectUntouched(campaignId: bigint): Promise<void> {
  expect(await recipientsOf(campaignId)).toEqual([]);
  expect((await getCampaign(deps(), campaignId)).recipientCount).toBe(0);
  expect(await database.sql`select 1 from uploads where campaign_id = ${campaignId}`).toHaveLength(
    0,
  );
}

describe('a CSV upload', () => {
  test('every row is a recipient or a reported reject', async () => {
    const campaign = await makeCampaign(deps());
    const report = await uploadCsv(
      deps(),
      campaign.id,
      [
        'Email,name,City',
        'ann@One.example,"Ann, of ""Ten""",Köln',
        '',
        'bob@two.example,,',
        'no-at-sign,Bob,',
        'ANN@one.example,Again,x',
        'eve@three.example,Eve',
        'eve@three.example,"E\nve",x',
      ].join('\r\n'),
    );
    expect(report).toMatchObject({ accepted: 2, duplicate: 1, invalid: 3, suppressed: 0 });
    expect(report.rejects).toEqual([
      { row: 3, input: 'no-at-sign', code: 'invalid_email', reason: 'the address has no @' },
      {
        row: 4,
        input: 'ANN@one.example',
        code: 'duplicate',
        reason: 'the address is the same as in row 1',
      },
      {
        row: 5,
        input: 'eve@three.example',
        code: 'wrong_column_count',
        reason: 'the row has 2 columns, the header 3',
      },
      {
        row: 6,
        input: 'E\nve',
        code: 'invalid_name',
        reason: 'the name contains a control character',
      },
    ]);
    expect(await recipientsOf(campaign.id)).toEqual([
      { address: 'ann@one.example', name: 'Ann, of "Ten"', variables: { City: 'Köln' } },
      { address: 'bob@two.example', name: null, variables: { City: '' } },
    ]);
    expect((await getCampaign(deps(), campaign.id)).recipientCount).toBe(2);
  });

  test('rows cut anywhere come out the same', async () => {
    const rows = Array.from(
      { length: 40 },
      (_, i) => `ü${i}é@d${i}.example,"Zoë ""${i}"", 陳",漢${i}`,
    );
    const bytes = Buffer.from(`\ufeffemail,name,x\n${rows.join('\n')}`);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 50 }), async (size) => {
        const campaign = await makeCampaign(deps());
        const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
          bytes.subarray(i * size, (i + 1) * size),
        );
        const report = await uploadRecipients(deps(), campaign.id, chunks(...parts), CSV);
        expect(report).toMatchObject({ accepted: 40, invalid: 0 });
        expect((await recipientsOf(campaign.id)).map((row) => row.variables?.['x']).sort()).toEqual(
          Array.from({ length: 40 }, (_, i) => `漢${i}`).sort(),
        );
      }),
      { numRuns: 8 },
    );
  });

  test('any text in a cell comes back as it went in', async () => {
    const cell = fc.string({ unit: 'binary', maxLength: 40 }).filter((s) => !s.includes('\0'));
    await fc.assert(
      fc.asyncProperty(fc.array(cell, { minLength: 1, maxLength: 30 }), async (cells) => {
        const campaign = await makeCampaign(deps());
        const quoted = cells.map((s, i) => `u${i}@d.example,"${s.replaceAll('"', '""')}"`);
        const report = await uploadCsv(deps(), campaign.id, `email,v\n${quoted.join('\n')}\n`);
        expect(report).toMatchObject({ accepted: cells.length, invalid: 0 });
        const stored = await database.sql<{ v: string }[]>`
          select variables ->> 'v' as v from recipients where campaign_id = ${campaign.id} order by id`;
        expect(stored.map((row) => row.v)).toEqual(cells.map((s) => s.toWellFormed()));
      }),
      { numRuns: 15 },
    );
  });

  test.each([
    ['a quote that is not closed', 'email\na@b.example\n"c@d.example', 'invalid_body', 2],
    ['text after a closing quote', 'email\na@b.example\n"c"d@e.example\n', 'invalid_body', 2],
    ['a row over 64 KiB', `email,x\na@b.example,${'y'.repeat(70_000)}\n`, 'row_too_large', 1],
    [
      '10 MB in a row',
      `email,x\na@b.example,1\nc@d.example,${'y'.repeat(1e7)}\n`,
      'row_too_large',
      2,
    ],
  ])('%s ends it, names the row and leaves nothing', async (_, body, code, row) => {
    const campaign = await makeCampaign(deps());
    await expect(uploadCsv(deps(), campaign.id, body)).rejects.toMatchObject({
      code,
      extra: { row },
    });
    await expectUntouched(campaign.id);
  });

  test.each([
    ['', 'is missing'],
    ['mail,name\n', 'has no column "email"'],
    ['email,Email\n', 'names a column twice'],
    ['email,__proto__\n', 'may not be named'],
    ['email,unsubscribe_url\n', 'set by Volley'],
    ['email,\n', 'has no name'],
    [`email,${Array.from({ length: 300 }, (_, i) => `v${i}`).join(',')}\n`, 'more than 200'],
  ])('a header that cannot be used is refused: %.30s', async (body, reason) => {
    const campaign = await makeCampaign(deps());
    await expect(uploadCsv(deps(), campaign.id, body)).rejects.toMatchObject({
      code: 'invalid_body',
      message: expect.stringContaining(reason) as string,
    });
    await expectUntouched(campaign.id);
  });
});

describe('an NDJSON upload', () => {
  test('keeps the values, refuses what cannot be kept', async () => {
    const campaign = await makeCampaign(deps());
    const lines = [
      '{"email":"a@b.example","name":"A","n":1.5,"list":[1,{"x":null}],"ok":true}',
      '  ',
      '{"email":"c@d.example"',
      '[1]',
      '{"email":5}',
      '{"email":"c@d.example","name":7}',
      '{"email":"c@d.example","account":12345678901234567890}',
      '{"email":"c@d.example","__proto__":{"a":1}}',
      '{"email":"c@d.example","half":"\\ud800"}',
      '{"email":"c@d.example","nul":"\\u0000"}',
      '{"email":"c@d.example","deep":[[[[[1]]]]]}',
      '{"email":"evil@b.example\\r\\nRCPT TO:<x@y.example>"}',
      '{"email":"c@d.example","name":"x\\r\\nBcc: y@z.example"}',
      '{"email":"z@d.example","deep":[[[[1]]]]}',
    ];
    const report = await uploadRecipients(deps(), campaign.id, chunks(lines.join('\n')), NDJSON);
    expect(report).toMatchObject({ accepted: 2, duplicate: 0, invalid: 11 });
    expect(report.rejects.map(({ row, code }) => [row, code])).toEqual([
      [2, 'invalid_json'],
      [3, 'invalid_json'],
      [4, 'invalid_email'],
      [5, 'invalid_name'],
      [6, 'invalid_variable'],
      [7, 'invalid_variable'],
      [8, 'invalid_variable'],
      [9, 'invalid_variable'],
      [10, 'invalid_variable'],
      [11, 'invalid_email'],
      [12, 'invalid_name'],
    ]);
    expect(await recipientsOf(campaign.id)).toMatchObject([
      { address: 'a@b.example', variables: { n: 1.5, list: [1, { x: null }], ok: true } },
      { address: 'z@d.example' },
    ]);
  });

  test('a line over 64 KiB ends it without being held', async () => {
    const campaign = await makeCampaign(deps());
    let sent = 0;
    async function* endless() {
      yield Buffer.from('{"email":"a@b.example"}\n{"email":"c@d.example","x":"');
      for (; sent < 1_000; sent += 1) yield Buffer.alloc(65_536, 'y');
    }
    await expect(uploadRecipients(deps(), campaign.id, endless(), NDJSON)).rejects.toMatchObject({
      code: 'row_too_large',
      extra: { row: 2 },
    });
    expect(sent).toBeLessThan(5);
    await expectUntouched(campaign.id);
  });
});

describe('encodings', () => {
  test('gzip, in several chunks and members', async () => {
    const campaign = await makeCampaign(deps());
    const whole = Buffer.concat([gzipSync('email\na@b.example\n'), gzipSync('c@d.example\n')]);
    const parts = chunks(whole.subarray(0, 7), whole.subarray(7, 40), whole.subarray(40));
    const report = await uploadRecipients(deps(), campaign.id, parts, {
      format: 'csv',
      gzip: true,
    });
    expect(report.accepted).toBe(2);
  });

  test.each([
    ['cut off', gzipSync('email\na@b.example\n').subarray(0, 20)],
    ['no gzip at all', Buffer.from('email\na@b.example\n')],
  ])('a gzip that is %s is refused', async (_, body) => {
    const campaign = await makeCampaign(deps());
    const options: UploadOptions = { format: 'csv', gzip: true };
    await expect(
      uploadRecipients(deps(), campaign.id, chunks(body), options),
    ).rejects.toMatchObject({ code: 'invalid_body' });
    await expectUntouched(campaign.id);
  });

  test.each(['gb18030', 'GBK', 'euc-kr', 'shift_jis', 'big5'])('%s', async (charset) => {
    const name = charset === 'euc-kr' ? '김철수' : charset === 'shift_jis' ? '山田' : '陳大文';
    const encoded = iconv.encode(`email,name\na@b.example,${name}\n`, charset);
    const campaign = await makeCampaign(deps());
    const parts = chunks(...Array.from(encoded, (byte) => Buffer.of(byte)));
    await uploadRecipients(deps(), campaign.id, parts, { ...CSV, charset });
    expect((await recipientsOf(campaign.id))[0]?.name).toBe(name);
  });

  test('bytes that are no UTF-8 are refused with their row', async () => {
    const good = Array.from({ length: 5_000 }, (_, i) => `ü${i}@b.example,"x\ny"\n`).join('');
    const bad = Buffer.concat([
      Buffer.from(`email,v\n${good}`),
      iconv.encode('a@c.example,陳大文\n', 'gbk'),
      Buffer.from('z@b.example,1\n'),
    ]);
    for (const options of [CSV, { ...CSV, charset: 'utf-8' }]) {
      const campaign = await makeCampaign(deps());
      await expect(
        uploadRecipients(deps(), campaign.id, chunks(bad), options),
      ).rejects.toMatchObject({ code: 'invalid_encoding', extra: { row: 5_001 } });
      await expectUntouched(campaign.id);
    }
    const campaign = await makeCampaign(deps());
    await expect(
      uploadRecipients(deps(), campaign.id, chunks(bad), { ...CSV, charset: 'klingon' }),
    ).rejects.toMatchObject({ code: 'unsupported_media_type' });
  });

  test('a character cut off at the end is refused', async () => {
    const campaign = await makeCampaign(deps());
    const body = Buffer.concat([Buffer.from('email\na@b.example\nc'), Buffer.of(0xe9, 0x99)]);
    await expect(uploadRecipients(deps(), campaign.id, chunks(body), CSV)).rejects.toMatchObject({
      code: 'invalid_encoding',
      extra: { row: 2 },
    });
  });
});

describe('as one transaction', () => {
  test('a body that breaks off leaves nothing, and the connection is good for the next', async () => {
    const campaign = await makeCampaign(deps());
    async function* broken() {
      yield Buffer.from('email\n');
      for (let i = 0; i < 5_000; i += 1) yield Buffer.from(`u${i}@b.example\n`);
      throw new Error('socket hang up');
    }
    for (let round = 0; round < 5; round += 1) {
      await expect(uploadRecipients(deps(), campaign.id, broken(), CSV)).rejects.toMatchObject({
        code: 'upload_aborted',
      });
    }
    await expectUntouched(campaign.id);
    expect(await uploadCsv(deps(), campaign.id, 'email\na@b.example\n')).toMatchObject({
      accepted: 1,
    });
  });

  test('a database that goes away ends it, and the next upload is good', async () => {
    const campaign = await makeCampaign(deps());
    async function* cut() {
      yield Buffer.from('email\na@b.example\n');
      await database.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query like 'copy upload_rows%'`;
      for (let i = 0; i < 50_000; i += 1) yield Buffer.from(`u${i}@b.example\n`);
    }
    await expect(uploadRecipients(deps(), campaign.id, cut(), CSV)).rejects.toThrow();
    await expectUntouched(campaign.id);
    expect(await uploadCsv(deps(), campaign.id, 'email\na@b.example\n')).toMatchObject({
      accepted: 1,
    });
  });

  test('only a draft takes recipients', async () => {
    const campaign = await makeCampaign(deps());
    await uploadCsv(deps(), campaign.id, 'email\na@b.example\n');
    await startCampaign(deps(), campaign.id);
    await expect(uploadCsv(deps(), campaign.id, 'email\nc@d.example\n')).rejects.toMatchObject({
      code: 'campaign_not_draft',
      extra: { state: 'expanding' },
    });
    await expect(uploadCsv(deps(), 999_999n, 'email\nc@d.example\n')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  test('starting waits for the upload that is under way', async () => {
    const campaign = await makeCampaign(deps());
    let proceed: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (proceed = resolve));
    let begun: () => void = () => undefined;
    const underWay = new Promise<void>((resolve) => (begun = resolve));
    async function* slow() {
      yield Buffer.from('email\na@b.example\n');
      begun();
      await gate;
      yield Buffer.from('c@d.example\n');
    }
    const upload = uploadRecipients(deps(), campaign.id, slow(), CSV);
    await underWay;
    const start = startCampaign(deps(), campaign.id);
    const first = await Promise.race([start, new Promise((r) => setTimeout(r, 200, 'waiting'))]);
    expect(first).toBe('waiting');
    proceed();
    await upload;
    expect(await start).toMatchObject({ state: 'expanding', recipientCount: 2 });
  });

  test('two uploads into one campaign: an address counts once', async () => {
    const campaign = await makeCampaign(deps());
    const list = Array.from({ length: 500 }, (_, i) => `u${i}@b.example`).join('\n');
    const [one, two] = await Promise.all([
      uploadCsv(deps(), campaign.id, `email\n${list}\n`),
      uploadCsv(deps(), campaign.id, `email\n${list}\nextra@b.example\n`),
    ]);
    expect(one.accepted + two.accepted).toBe(501);
    expect(one.duplicate + two.duplicate).toBe(500);
    const late = one.duplicate > 0 ? one : two;
    expect(late.rejects[0]).toMatchObject({
      code: 'duplicate',
      reason: 'the address is already in this campaign',
    });
  });

  test('all rejects can be read again, in order, past one page', async () => {
    const campaign = await makeCampaign(deps());
    const bad = Array.from({ length: 4_500 }, (_, i) => `bad${i}`).join('\n');
    const report = await uploadCsv(deps(), campaign.id, `email\n${bad}\na@b.example\n`);
    expect(report).toMatchObject({ accepted: 1, invalid: 4_500 });
    expect(report.rejects).toHaveLength(100);
    const rows: number[] = [];
    for await (const reject of await listRejects(deps(), campaign.id, report.uploadId)) {
      rows.push(reject.row);
    }
    expect(rows).toEqual(Array.from({ length: 4_500 }, (_, i) => i + 1));
    await expect(listRejects(deps(), campaign.id + 1n, report.uploadId)).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

describe('suppression at upload', () => {
  test('counts what is live for this sender and stream, and keeps the recipients', async () => {
    const sender = await makeSender(deps());
    const campaign = await makeCampaign(deps(), { senderId: sender.id, stream: 'marketing' });
    await database.sql`
      insert into suppressions (address_key, scope, scope_value, reason, origin, expires_at, released_at)
      values ('global@s.example', 'global', '', 'hard_bounce', 'system', null, null),
        ('sender@s.example', 'sender', 'shop.example', 'manual', 'operator', null, null),
        ('othersender@s.example', 'sender', 'bank.example', 'manual', 'operator', null, null),
        ('stream@s.example', 'stream', 'marketing', 'unsubscribe', 'recipient', null, null),
        ('otherstream@s.example', 'stream', 'statement', 'unsubscribe', 'recipient', null, null),
        ('released@s.example', 'global', '', 'manual', 'operator', null, now()),
        ('expired@s.example', 'global', '', 'manual', 'operator', now() - interval '1 s', null),
        ('later@s.example', 'global', '', 'manual', 'operator', now() + interval '1 d', null)`;
    const names = 'global sender othersender stream otherstream released expired later free';
    const rows = names.split(' ').map((local) => `${local.toUpperCase()}@s.example`);
    const report = await uploadCsv(deps(), campaign.id, `email\n${rows.join('\n')}\n`);
    expect(report).toMatchObject({ accepted: 9, suppressed: 4 });
    expect((await getCampaign(deps(), campaign.id)).recipientCount).toBe(9);
  });
});
