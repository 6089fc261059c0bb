import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createSuppressions } from '../../src/bounce/suppressions/suppressions.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
const now = new Date('2026-03-01T10:00:00Z');
const list = () => {
  const secret = 'a secret for tests, longer than 32 characters';
  return createSuppressions({ sql: database.sql, clock: () => now, secret, previousSecrets: [] });
};

beforeEach(async () => {
  await database.sql`truncate suppressions, events`;
});

async function* bytes(...pieces: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}

async function exported(): Promise<string> {
  let text = '';
  for await (const piece of list().exportCsv()) text += piece;
  return text;
}

describe('adding by hand', () => {
  test('normalises the address and answers what is live', async () => {
    const [row] = await list().add(
      [
        {
          email: 'User@B\u00fccher.Example',
          note: 'by\r\nphone',
          expiresAt: '2031-01-01T00:00:00Z',
        },
      ],
      'key_1',
    );
    expect(row).toMatchObject({
      addressKey: 'user@xn--bcher-kva.example',
      reason: 'manual',
      scope: 'global',
      origin: 'operator',
      evidence: 'by phone',
      createdBy: 'key_1',
      expiresAt: new Date('2031-01-01T00:00:00Z'),
    });
  });

  test.each([
    [{ email: 'nobody' }, '/0/email'],
    [{ email: 'a@x.example\r\nBcc: b@x.example' }, '/0/email'],
    [{ email: 'a@x.example', reason: 'because' }, '/0/reason'],
    [{ email: 'a@x.example', scope: 'planet' }, '/0/scope'],
    [{ email: 'a@x.example', scopeValue: 'marketing' }, '/0/scopeValue'],
    [{ email: 'a@x.example', scope: 'stream', scopeValue: 'news' }, '/0/scopeValue'],
    [{ email: 'a@x.example', scope: 'stream', scopeValue: 'a b/marketing' }, '/0/scopeValue'],
    [{ email: 'a@x.example', scope: 'stream', scopeValue: 'shop.example/news' }, '/0/scopeValue'],
    [{ email: 'a@x.example', scope: 'sender', scopeValue: '' }, '/0/scopeValue'],
    [{ email: 'a@x.example', expiresAt: '2020-01-01T00:00:00Z' }, '/0/expiresAt'],
    [{ email: 'a@x.example', expiresAt: 'tomorrow' }, '/0/expiresAt'],
  ])('%j is refused at %s and adds nothing', async (entry, pointer) => {
    await expect(list().add([entry, { email: 'good@x.example' }], 'me')).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer }],
    });
    expect(await list().list({}, { limit: 9 })).toEqual([]);
  });

  test('a stream of one sender is kept with his domain as it is compared', async () => {
    const value = 'Bücher.example/marketing';
    await list().add([{ email: 'a@x.example', scope: 'stream', scopeValue: value }], 'me');
    expect(await list().list({}, { limit: 9 })).toMatchObject([
      { scope: 'stream', scopeValue: 'xn--bcher-kva.example/marketing' },
    ]);
  });

  test('at most 1,000 in one call', async () => {
    const entries = Array.from({ length: 1_001 }, (_, i) => ({ email: `u${i}@x.example` }));
    await expect(list().add(entries, 'me')).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(
      list().check(
        entries.map(({ email }) => email),
        null,
      ),
    ).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });
});

test('check answers in the order asked, by key, and says what is no address', async () => {
  await list().add(
    [{ email: 'a@x.example' }, { email: 'b@x.example', scope: 'stream', scopeValue: 'marketing' }],
    'me',
  );
  const emails = ['B@X.example', 'nobody', 'A@x.EXAMPLE', 'c@x.example'];
  const anywhere = await list().check(emails, null);
  expect(anywhere.map(({ email, suppressed }) => [email, suppressed])).toEqual([
    ['B@X.example', true],
    ['nobody', false],
    ['A@x.EXAMPLE', true],
    ['c@x.example', false],
  ]);
  expect(anywhere[1]?.invalid).toBe('has no @');
  const statement = await list().check(emails, { senderDomain: 's.example', stream: 'statement' });
  expect(statement.map(({ suppressed }) => suppressed)).toEqual([false, false, true, false]);
});

test('release by another spelling; what is not there is null', async () => {
  await list().add([{ email: 'a@x.example' }], 'me');
  const released = await list().release('A@X.EXAMPLE', 'key_1');
  expect(released).toMatchObject({ suppressions: [{ releasedBy: 'key_1' }], erasure: false });
  expect(await list().release('a@x.example', 'key_1')).toBeNull();
  expect(await list().release('nobody', 'key_1')).toBeNull();
});

test('the history of an address: entries, who made and released them, soft bounces, watch, notices', async () => {
  await list().add([{ email: 'a@x.example', note: 'first' }], 'key_1');
  await list().release('a@x.example', 'key_2');
  await list().add([{ email: 'a@x.example', reason: 'invalid' }], 'key_3');
  await database.sql`
    insert into soft_bounces (address_key, kind, day, count, class, evidence)
    values ('a@x.example', 'full', '2026-03-01', 2, 'full', '452 full')`;
  await database.sql`
    insert into watched_addresses (address_key, state, since, due_at, campaign_id, class)
    values ('a@x.example', 'warned', ${now}, ${now}, 7, 'full')`;
  await database.sql`
    insert into notices (campaign_id, kind, address_key)
    values (8, 'warning', 'a@x.example'), (9, 'list', 'a@x.example')`;
  const found = await list().history('A@x.example');
  expect(found).toMatchObject({
    addressKey: 'a@x.example',
    suppressed: true,
    erasedAt: null,
    suppressions: [
      { reason: 'invalid', createdBy: 'key_3', releasedBy: null },
      { reason: 'manual', evidence: 'first', createdBy: 'key_1', releasedBy: 'key_2' },
    ],
    watch: { state: 'warned', class: 'full' },
    softBounces: [{ kind: 'full', day: '2026-03-01', count: 2, evidence: '452 full' }],
    notices: [{ kind: 'warning', campaignId: 8n }],
  });
  expect(await list().history('nobody@x.example')).toMatchObject({
    suppressed: false,
    suppressions: [],
    watch: null,
    softBounces: [],
    notices: [],
  });
  expect(await list().history('no address')).toBeNull();

  // A release that is for one stream leaves the watch; one for everything begins anew.
  await list().release('a@x.example', 'me', { scope: 'stream', scopeValue: 'marketing' });
  expect((await list().history('a@x.example'))?.watch).not.toBeNull();
  await list().release('a@x.example', 'me');
  expect(await list().history('a@x.example')).toMatchObject({
    suppressed: false,
    watch: null,
    softBounces: [],
  });
});

test('every change is an event that says who, and none names the address', async () => {
  await list().add([{ email: 'a@x.example', expiresAt: '2031-01-01T00:00:00Z' }], 'key_1');
  await list().add([{ email: 'a@x.example' }], 'key_2');
  await list().release('a@x.example', 'key_3');
  const events = await database.sql<{ kind: string; data: Record<string, unknown> }[]>`
    select kind, data from events order by id`;
  expect(events.map(({ kind, data }) => [kind, data['by'], data['extended'] ?? null])).toEqual([
    ['suppression.added', 'key_1', false],
    ['suppression.added', 'key_2', true],
    ['suppression.released', 'key_3', null],
  ]);
  expect(JSON.stringify(events)).not.toContain('a@x.example');
});

test('list by address takes any spelling', async () => {
  await list().add([{ email: 'a@x.example' }, { email: 'b@x.example' }], 'me');
  expect(await list().list({ email: 'A@X.example' }, { limit: 9 })).toHaveLength(1);
  expect(await list().list({ email: 'no address' }, { limit: 9 })).toEqual([]);
});

describe('import', () => {
  test('takes good rows, reports the others with row number and reason, and is one event', async () => {
    const csv = [
      '\u{feff}Name,Email,reason,scope,scope_value,evidence,expires_at',
      'Ann,Ann@X.example,,,,,',
      'Bob,bob@x.example,complaint,stream,marketing,"said ""no"", twice",2031-01-01',
      '',
      'Cut,not-an-address,,,,,',
      'Dan,dan@x.example,because,,,,',
      'Ann,ann@x.example,,,,,',
      'Short,short@x.example',
    ].join('\r\n');
    const { importId, ...result } = await list().importCsv(bytes(csv), 'key_1');
    expect(result).toEqual({
      rows: 6,
      added: 3,
      extended: 0,
      unchanged: 1,
      rejected: 2,
      rejects: [
        { rowNumber: 3, input: 'not-an-address', reason: 'email has no @' },
        {
          rowNumber: 4,
          input: 'dan@x.example',
          reason: expect.stringMatching(/^reason must be/) as string,
        },
      ],
    });
    const [row] = await list().list({ email: 'bob@x.example' }, { limit: 1 });
    expect(row).toMatchObject({ origin: 'import', createdBy: 'key_1' });
    let file = '';
    for await (const piece of (await list().importRejects(importId))!) file += piece;
    expect(file.split('\r\n').slice(0, 2)).toEqual([
      'row,input,reason',
      '3,not-an-address,email has no @',
    ]);
    expect(await list().importRejects(importId + 1n)).toBeNull();
    expect(await exported()).toContain(
      'bob@x.example,complaint,stream,marketing,"said ""no"", twice"',
    );
    const events = await database.sql`select kind, data from events`;
    expect(events).toMatchObject([
      { kind: 'suppression.added', data: { origin: 'import', by: 'key_1', added: 3, extended: 0 } },
    ]);
  });

  test.each([
    ['an open quote', ['email\r\na@x.example\r\n"b@x.example'], 'invalid_body'],
    ['no email column', ['address,constructor\r\na@x.example,1'], 'invalid_body'],
    ['a column twice', ['email,email\r\na@x.example,b@x.example'], 'invalid_body'],
    ['nothing', [''], 'invalid_body'],
    ['a record of 100 KB', [`email,note\r\na@x.example,"${'x'.repeat(100_000)}"`], 'invalid_body'],
    [
      'bytes that are not UTF-8',
      ['email\r\na@x.example\r\n', Buffer.from([0xff, 0xfe]), '\r\n'],
      'invalid_encoding',
    ],
    [
      'a character cut off at the end',
      ['email\r\na@x.example\r\n', Buffer.from([0xc3])],
      'invalid_encoding',
    ],
  ])('%s: a clear error, and no row stays', async (_, pieces, code) => {
    await expect(list().importCsv(bytes(...pieces), 'me')).rejects.toMatchObject({ code });
    expect(await list().list({}, { limit: 9 })).toEqual([]);
  });

  test('an upload that breaks off changes nothing and gives its connection back', async () => {
    async function* broken() {
      yield* bytes('email\r\n', 'a@x.example\r\n'.repeat(20_000));
      throw new Error('reset by peer');
    }
    for (let i = 0; i < 10; i += 1) {
      await expect(list().importCsv(broken(), 'me')).rejects.toThrow('reset by peer');
    }
    expect(await list().list({}, { limit: 9 })).toEqual([]);
  });

  test('a file in which every row is bad lists 100 of the rejects, and keeps all', async () => {
    const result = await list().importCsv(bytes('email\n', 'x\n'.repeat(5_000)), 'me');
    expect(result).toMatchObject({ rows: 5_000, rejected: 5_000, added: 0 });
    expect(result.rejects).toHaveLength(100);
    let file = '';
    for await (const piece of (await list().importRejects(result.importId))!) file += piece;
    expect(file.trimEnd().split('\r\n')).toHaveLength(5_001);
    expect(await database.sql`select 1 from events`).toHaveLength(0);
  });
});

test('what is exported can be imported: whatever the addresses and notes are', async () => {
  const atom = fc.stringMatching(/^[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}$/);
  const note = fc.string({ unit: 'binary', maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(atom, { minLength: 1, maxLength: 20 }),
      fc.array(note, { minLength: 20, maxLength: 20 }),
      async (atoms, notes) => {
        await database.sql`truncate suppressions`;
        const input = atoms.map((local, i) => ({
          email: `${local}@x.example`,
          note: notes[i] ?? '',
        }));
        const before = await list().add(input, 'me');
        const file = await exported();
        await database.sql`truncate suppressions`;
        const result = await list().importCsv(bytes(file), 'me');
        expect(result).toMatchObject({ added: atoms.length, rejected: 0 });
        const after = await list().check(
          atoms.map((local) => `${local}@x.example`),
          null,
        );
        const evidence = (rows: { addressKey: string; evidence: string | null }[]) =>
          new Map(rows.map((row) => [row.addressKey, row.evidence]));
        expect(evidence(after.flatMap((row) => row.suppressions))).toEqual(evidence(before));
      },
    ),
    { numRuns: 40 },
  );
});

test('a cell that starts like a formula is exported as text', async () => {
  await list().add([{ email: '=cmd@x.example' }, { email: "'=cmd@x.example" }], 'me');
  const lines = (await exported()).split('\r\n');
  expect(lines.slice(1, 3).sort()).toEqual(
    [
      expect.stringMatching(/^''=cmd@x\.example,manual,global,/),
      expect.stringMatching(/^'=cmd@x\.example,manual,global,/),
    ].sort(),
  );
});

test('export streams: a reader that stops ends the query', async () => {
  const entries = Array.from({ length: 1_000 }, (_, i) => ({ email: `u${i}@x.example` }));
  for (let i = 0; i < 3; i += 1) {
    await list().add(
      entries.map(({ email }) => ({ email: `${i}${email}` })),
      'me',
    );
  }
  for (let i = 0; i < 12; i += 1) {
    for await (const piece of list().exportCsv()) {
      if (piece.length > 1_000) break;
    }
  }
  expect((await exported()).trimEnd().split('\r\n')).toHaveLength(3_001);
});

test('export streams: what the reader has not come to is not read yet', async () => {
  const { sql } = database;
  await sql`
    insert into suppressions (address_key, reason, origin)
    select 'u' || i || '@x.example', 'manual', 'import' from generate_series(1, 30000) i`;
  let text = '';
  let gone = false;
  for await (const piece of list().exportCsv()) {
    text += piece;
    if (gone || !text.includes('u1@')) continue;
    // Nothing of ours is open in the database while the reader takes his time.
    const open = await sql`
      select 1 from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid() and backend_type = 'client backend' and state <> 'idle'`;
    expect(open).toHaveLength(0);
    await sql`delete from suppressions where address_key <> 'u30000@x.example'`;
    gone = true;
  }
  const lines = text.trimEnd().split('\r\n');
  expect(lines.length).toBeLessThan(6_000);
  expect(lines.at(-1)).toMatch(/^u30000@/);
});
