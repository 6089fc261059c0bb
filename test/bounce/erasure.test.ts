/** Forgetting a person: nothing in any table names him, and he is still not written to. */
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Arrival } from '../../src/bounce/arrival.ts';
import { readDestination } from '../../src/bounce/destination.ts';
import { createAddressHasher, isErased } from '../../src/bounce/erasure/erased.ts';
import { completeErasures, erase } from '../../src/bounce/erasure/erasure.ts';
import { inspectMessage } from '../../src/bounce/inspect.ts';
import { fingerprintOf } from '../../src/bounce/intake.ts';
import { createReturnRecorder } from '../../src/bounce/record.ts';
import { countSoftBounces } from '../../src/bounce/soft-bounces/store.ts';
import { createSuppressions } from '../../src/bounce/suppressions/suppressions.ts';
import { uploadRecipients } from '../../src/campaigns/audience.ts';
import { verifyBalance } from '../../src/campaigns/reports.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { bounceAddress } from '../../src/verp/address.ts';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { signToken } from '../../src/verp/token.ts';
import { makeCampaign, SECRET, testDeps, uploadCsv } from '../campaigns/fixture.ts';
import { useDatabase } from '../harness/database.ts';
import { BOUNCE_DOMAIN, dsn } from './returns.ts';

const database = useDatabase();
const ANN = 'Ann.Smith@one.example';
const KEY = 'ann.smith@one.example';
const ring = createKeyRing([SECRET]);
const deps = () => testDeps(database.sql);
const list = (over = {}) =>
  createSuppressions({ ...deps(), secret: SECRET, previousSecrets: [], ...over });
const forget = (email = ANN) => erase(deps(), email, 'key_1');

beforeEach(async () => {
  // Senders are kept: making their keys takes long.
  const kept = ['senders', 'dkim_keys', 'contents'];
  const tables = (await tableNames()).filter((name) => !kept.includes(name));
  await database.sql.unsafe(`truncate ${tables.join(', ')}`);
});

async function tableNames(): Promise<string[]> {
  const rows = await database.sql<{ name: string }[]>`
    select table_name as name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE'`;
  return rows.map((row) => row.name);
}

/** Tables with a row that holds the text anywhere, in whatever column, bytes too. */
async function whereNamed(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await tableNames()) {
    const hex = Buffer.from(text).toString('hex');
    const rows = await database.sql.unsafe(
      `select 1 from "${name}" t where lower(t::text) like $1 or t::text like $2 limit 1`,
      [`%${text}%`, `%${hex}%`],
    );
    if (rows.length > 0) found.push(name);
  }
  return found.sort();
}

const expand = (id: bigint) =>
  expandCampaign({ sql: database.sql, clock: systemClock, batchSize: 2, chunkSize: 3 }, id);

/** Ann among others, several domains and chunks; expanded. */
async function campaign(state: string, mode = 'auto'): Promise<bigint> {
  const { id } = await makeCampaign(deps(), { mode: mode as 'auto', stream: 'statement' });
  const others = ['a@one.example', 'z@one.example', 'b@two.example', 'c@aaa.example'];
  await uploadCsv(
    deps(),
    id,
    `email,name,account\n${[...others, ANN].map((email) => `${email},Mrs ${email},7`).join('\n')}\n${ANN},again,1\nann.smith@one.example x,bad,1\n`,
  );
  if (state === 'draft') return id;
  await database.sql`
    update campaigns set state = 'expanding', started_at = now(), expires_at = now() + interval '1 h'
    where id = ${id}`;
  await expand(id);
  await database.sql`update campaigns set state = ${state} where id = ${id}`;
  return id;
}

async function deliveryOf(campaignId: bigint): Promise<bigint> {
  const [row] = await database.sql<{ id: bigint }[]>`
    select d.id from deliveries d join recipients r on r.id = d.recipient_id
    where d.campaign_id = ${campaignId} and (r.address_key = ${KEY} or r.address = 'erased')`;
  return row?.id ?? 0n;
}

async function comesBack(token: string, text: string): Promise<void> {
  const raw = Buffer.from(text);
  const destination = readDestination(ring, bounceAddress(token, BOUNCE_DOMAIN))!;
  const digest = createHash('sha256').update(raw).digest();
  const arrival: Arrival = {
    destination,
    envelopeSender: '',
    fingerprint: fingerprintOf(destination.address, digest),
    raw,
    inspection: await inspectMessage(raw),
    receivedAt: new Date(),
  };
  await createReturnRecorder({ sql: database.sql, keyRing: ring }).record(arrival);
}

const report = (mark: string) =>
  dsn([{ recipient: ANN, diagnostic: `552 5.2.2 <${ANN}> is full` }], { mark });

/** Everything that is ever written about somebody. */
async function knownEverywhere(): Promise<bigint> {
  const id = await campaign('completed');
  const delivery = await deliveryOf(id);
  await database.sql`update deliveries set state = 'accepted' where campaign_id = ${id}`;
  await database.sql`
    insert into events (kind, campaign_id, delivery_id, class, reply_text)
    values ('delivery.deferred', ${id}, ${delivery}, 'full', ${`452 4.2.2 <${ANN}> over quota`})`;
  // One event of a copy for many, that he is in the middle of.
  await database.sql`
    insert into events (kind, campaign_id, delivery_id, last_delivery_id, reply_text)
    values ('delivery.accepted', ${id}, ${delivery - 1n}, ${delivery + 1n}, ${`ok for ${KEY}`})`;
  await comesBack(signToken(ring, 'delivery', delivery), report('a'));
  const [batch] = await database.sql<{ id: bigint }[]>`
    select id from batches where ${delivery} between first_delivery_id and last_delivery_id`;
  // A report of a copy for many that names nobody we know, and quotes him.
  await comesBack(
    signToken(ring, 'batch', batch?.id ?? 0n),
    `${dsn([{ recipient: 'somebody@else.example' }])}\r\nTo: ANN.Smith@one.example\r\n`,
  );
  await list().add([{ email: ANN, scope: 'stream', scopeValue: 'marketing' }], 'key_1');
  await list().importCsv(bytes(`email,reason\n${ANN} x,\n${ANN},complaint\n`), 'key_1');
  await database.sql.begin((tx) =>
    countSoftBounces(tx, [
      {
        addressKey: KEY,
        kind: 'soft',
        class: 'full',
        evidence: null,
        campaignId: id,
        at: new Date(),
      },
    ]),
  );
  await database.sql`
    insert into watched_addresses (address_key, state, since, due_at, campaign_id, class)
    values (${KEY}, 'suspect', now(), now(), ${id}, 'full')`;
  await database.sql`
    insert into notices (campaign_id, kind, address_key) values (${id}, 'warning', ${KEY})`;
  await database.sql`
    insert into inbound_messages (fingerprint, envelope_sender, envelope_recipient, kind, raw)
    values ('\\x01', ${ANN}, 'postmaster@bounce.shop.example', 'postmaster', 'please help')`;
  return id;
}

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

test('what is everywhere is nowhere afterwards; the balance closes, and a hash stays', async () => {
  const id = await knownEverywhere();
  expect(await whereNamed(KEY)).toEqual([
    'events',
    'inbound_messages',
    'notices',
    'recipients',
    'soft_bounces',
    'suppression_import_rejects',
    'suppressions',
    'unmatched_replies',
    'upload_rejects',
    'watched_addresses',
  ]);

  expect(await forget()).toMatchObject({ completed: true, waitingFor: [] });

  expect(await whereNamed(KEY)).toEqual([]);
  expect(await whereNamed('ann.smith')).toEqual([]);
  const [row] = await database.sql`
    select address, name, variables, domain from recipients where address = 'erased'`;
  expect(row).toEqual({ address: 'erased', name: null, variables: null, domain: 'one.example' });
  expect(await verifyBalance(deps(), id)).toMatchObject({ counted: { recipients: 5 } });
  const [hash] = await database.sql`select hash, address_key, requested_by from erasures`;
  expect(hash).toEqual({
    hash: createAddressHasher({ secret: SECRET, previousSecrets: [] }).hashesOf(KEY)[0],
    addressKey: null,
    requestedBy: 'key_1',
  });
  const events = await database.sql`select data from events where kind = 'address.erased'`;
  expect(events).toMatchObject([{ data: { by: 'key_1' } }]);
});

test('other people lose nothing', async () => {
  const id = await knownEverywhere();
  await list().add([{ email: 'smith@one.example' }], 'me');
  await forget();
  const rows = await database.sql<{ address: string; name: string }[]>`
    select address, name from recipients where campaign_id = ${id} order by id`;
  expect(rows.map((row) => row.address)).toEqual([
    'c@aaa.example',
    'a@one.example',
    'z@one.example',
    'erased',
    'b@two.example',
  ]);
  expect(rows[0]?.name).toBe('Mrs c@aaa.example');
  expect(await list().check(['smith@one.example'], null)).toMatchObject([{ suppressed: true }]);
  const kept = await database.sql`select 1 from inbound_messages where raw <> ''`;
  expect(kept).toHaveLength(0);
});

describe('the block survives', () => {
  test('an upload with the address is counted, never stored, expanded as suppressed, and not sent', async () => {
    await forget();
    const { id } = await makeCampaign(deps());
    const report = await uploadCsv(
      deps(),
      id,
      `email\n${ANN}\nann.SMITH@ONE.example\nb@two.example\n`,
    );
    expect(report).toMatchObject({ accepted: 3, suppressed: 2, invalid: 0, duplicate: 0 });
    expect(await whereNamed(KEY)).toEqual([]);
    await database.sql`update campaigns set state = 'expanding', started_at = now() where id = ${id}`;
    await expand(id);
    const states = await database.sql`
      select r.address, d.state from deliveries d join recipients r on r.id = d.recipient_id
      where d.campaign_id = ${id} order by d.state, r.address`;
    expect(states).toEqual([
      { address: 'b@two.example', state: 'pending' },
      { address: 'erased', state: 'suppressed' },
      { address: 'erased', state: 'suppressed' },
    ]);
    const batches = await database.sql`select domain from batches where campaign_id = ${id}`;
    expect(batches).toEqual([{ domain: 'two.example' }]);
  });

  test('NDJSON too', async () => {
    await forget();
    const { id } = await makeCampaign(deps());
    const body = bytes(`{"email":"${ANN}","name":"Ann"}\n`);
    const options = { format: 'ndjson', gzip: false } as const;
    expect(await uploadRecipients(deps(), id, body, options)).toMatchObject({ suppressed: 1 });
    expect(await whereNamed(KEY)).toEqual([]);
  });

  test('adding and importing do not store it; check and history say so', async () => {
    await forget();
    expect(await list().add([{ email: ANN }, { email: 'b@two.example' }], 'me')).toHaveLength(1);
    const csv = bytes(`email\n${ANN}\nc@two.example\n`);
    expect(await list().importCsv(csv, 'me')).toMatchObject({ added: 1, unchanged: 1 });
    expect(await whereNamed(KEY)).toEqual([]);
    expect(await list().check([ANN, 'x@two.example'], null)).toMatchObject([
      { suppressed: true, erased: true, suppressions: [] },
      { suppressed: false, erased: false },
    ]);
    const known = await list().history(ANN);
    expect(known).toMatchObject({ suppressed: true, suppressions: [] });
    expect(known?.erasedAt).toBeInstanceOf(Date);
  });

  test('with a new secret, as long as the former one is known', async () => {
    await forget();
    const rotated = {
      secret: 'another secret, longer than 32 characters!',
      previousSecrets: [SECRET],
    };
    expect(await list(rotated).check([ANN], null)).toMatchObject([{ erased: true }]);
    const { id } = await makeCampaign(deps());
    const report = await uploadRecipients({ ...deps(), ...rotated }, id, bytes(`email\n${ANN}\n`), {
      format: 'csv',
      gzip: false,
    });
    expect(report).toMatchObject({ accepted: 1, suppressed: 1 });
    expect(await list({ ...rotated, previousSecrets: [] }).check([ANN], null)).toMatchObject([
      { erased: false },
    ]);
  });

  test('until it is released, by whom is kept', async () => {
    await forget();
    expect(
      await list().release(ANN, 'key_9', { scope: 'stream', scopeValue: 'marketing' }),
    ).toBeNull();
    expect(await list().release(ANN, 'key_9')).toEqual({ suppressions: [], erasure: true });
    expect(await list().check([ANN], null)).toMatchObject([{ suppressed: false, erased: false }]);
    const [row] = await database.sql`select released_by from erasures`;
    expect(row).toEqual({ releasedBy: 'key_9' });
    expect(await forget()).toMatchObject({ completed: true });
    expect(await list().check([ANN], null)).toMatchObject([{ erased: true }]);
  });
});

describe('what must wait', () => {
  test.each(['expanding', 'sending', 'paused', 'cancelling'])(
    'a campaign that is %s keeps the address until it has ended; nothing is sent meanwhile',
    async (state) => {
      const id = await campaign('sending');
      await database.sql`update campaigns set state = ${state} where id = ${id}`;
      expect(await forget()).toMatchObject({ completed: false, waitingFor: [id] });
      expect(await list().check([ANN], null)).toMatchObject([
        { suppressed: true, suppressions: [{ reason: 'policy', createdBy: 'key_1' }] },
      ]);
      await completeErasures(database.sql);
      expect(await whereNamed(KEY)).toContain('recipients');
      await database.sql`update campaigns set state = 'completed' where id = ${id}`;
      await completeErasures(database.sql);
      expect(await whereNamed(KEY)).toEqual([]);
      expect(await list().check([ANN], null)).toMatchObject([{ erased: true, suppressed: true }]);
    },
  );

  test('in a draft the row is emptied at once, and expanded as suppressed', async () => {
    const id = await campaign('draft');
    expect(await forget()).toMatchObject({ completed: true });
    expect(await whereNamed(KEY)).toEqual([]);
    await database.sql`update campaigns set state = 'expanding', started_at = now() where id = ${id}`;
    await expand(id);
    const rows = await database.sql`
      select d.state from deliveries d join recipients r on r.id = d.recipient_id
      where r.address = 'erased'`;
    expect(rows).toEqual([{ state: 'suppressed' }]);
  });

  test('a draft that holds the address and takes another upload is left until that has ended', async () => {
    const { id } = await makeCampaign(deps());
    let finish: () => void = () => undefined;
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    async function* first(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`email\n${ANN}\n`);
    }
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('email\nbob@x.example\n');
      begun();
      await new Promise<void>((resolve) => (finish = resolve));
    }
    await uploadRecipients(deps(), id, first(), { format: 'csv', gzip: false });
    const upload = uploadRecipients(deps(), id, slow(), { format: 'csv', gzip: false });
    await hasBegun;
    expect(await forget()).toMatchObject({ completed: false, waitingFor: [id] });
    finish();
    await upload;
    await completeErasures(database.sql);
    expect(await whereNamed(KEY)).toEqual([]);
  });

  test('an upload that had begun before is waited for', async () => {
    const { id } = await makeCampaign(deps());
    let finish: () => void = () => undefined;
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`email\n${ANN}\n`);
      begun();
      await new Promise<void>((resolve) => (finish = resolve));
    }
    const upload = uploadRecipients(deps(), id, slow(), { format: 'csv', gzip: false });
    await hasBegun;
    expect(await forget()).toMatchObject({ completed: false, waitingFor: [id] });
    finish();
    expect(await upload).toMatchObject({ accepted: 1 });
    await completeErasures(database.sql);
    expect(await whereNamed(KEY)).toEqual([]);
  });
});

test('what comes back about him afterwards is counted, and does not name him', async () => {
  const id = await campaign('completed');
  const delivery = await deliveryOf(id);
  await database.sql`update deliveries set state = 'accepted' where campaign_id = ${id}`;
  await forget();
  await comesBack(signToken(ring, 'delivery', delivery), report('late'));
  expect(await whereNamed('ann.smith')).toEqual([]);
  const [event] = await database.sql`select class, data from events where kind = 'bounce.late'`;
  expect(event).toMatchObject({ class: 'bad_mailbox', data: { action: 'failed' } });
  for (const table of ['suppressions', 'soft_bounces']) {
    expect(await database.sql.unsafe(`select 1 from ${table}`)).toEqual([]);
  }
});

test('twice does no harm, also at the same moment', async () => {
  await knownEverywhere();
  const results = await Promise.all([forget(), forget(KEY.toUpperCase()), forget()]);
  expect(results.map((result) => result.completed)).toContain(true);
  await completeErasures(database.sql);
  expect(await forget()).toMatchObject({ completed: true });
  expect(await whereNamed(KEY)).toEqual([]);
  expect(await database.sql`select 1 from erasures`).toHaveLength(1);
});

test('what is no address is refused', async () => {
  await expect(forget('nobody')).rejects.toMatchObject({ code: 'invalid_request' });
});

test('the place of an erased row can be no address', () => {
  expect(isErased('erased:17')).toBe(true);
  expect(isErased(KEY)).toBe(false);
});
