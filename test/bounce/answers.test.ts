import { beforeEach, expect, test } from 'vitest';
import { createAnswers } from '../../src/bounce/answers.ts';
import { fingerprintOf, takeIn } from '../../src/bounce/intake.ts';
import { createReception } from '../../src/bounce/reception.ts';
import { createNotices } from '../../src/campaigns/notices.ts';
import { testDeps } from '../campaigns/fixture.ts';
import { useDatabase } from '../harness/database.ts';
import { BOUNCE_DOMAIN, ring, sentCampaign } from './returns.ts';

const database = useDatabase();
const clock = () => new Date();

beforeEach(async () => {
  await database.sql`truncate notices, inbound_messages, events, recipients, campaigns cascade`;
  await sentCampaign(database.sql, ['ann@x.example']);
});

function reception(postmasterForwardTo: string | null) {
  const { sql } = database;
  const notices = createNotices({ ...testDeps(sql), clock });
  return createReception({
    sql,
    keyRing: ring,
    clock,
    answer: createAnswers({ keyRing: ring, notices, postmasterForwardTo }),
  });
}

async function bring(to: ReturnType<typeof reception>, message: string, address: string) {
  const destination = await to.destinationOf(address, 'stranger@y.example');
  const intake = await takeIn(
    (async function* () {
      yield Buffer.from(message);
    })(),
  );
  if (destination === null || intake === null) throw new Error('not taken');
  expect(fingerprintOf(destination.address, intake.digest)).toHaveLength(32);
  return await to.keep(intake, 'stranger@y.example', [destination]);
}

const copies = () => database.sql<{ address: string; variables: Record<string, string> }[]>`
  select r.address, r.variables from recipients r join campaigns c on c.id = r.campaign_id
  where c.purpose = 'notice' order by r.id`;
const LETTER = 'From: s@y.example\r\nSubject: your mail\r\n\r\nPlease stop.\u0007\r\n';

test('mail to postmaster and abuse is kept, and a copy goes to who is configured', async () => {
  const to = reception('ops@shop.example');
  await bring(to, LETTER, `Abuse@${BOUNCE_DOMAIN}`);
  await bring(to, LETTER, 'postmaster');

  expect(await copies()).toMatchObject([
    {
      address: 'ops@shop.example',
      variables: { subject: `Mail for abuse@${BOUNCE_DOMAIN} from stranger@y.example` },
    },
    { variables: { subject: 'Mail for postmaster from stranger@y.example' } },
  ]);
  const [copy] = await copies();
  expect(copy?.variables['text']).toMatch(
    /^stranger@y\.example wrote to abuse@\S+ at [\dTZ:.-]+:\n\nFrom: s@y\.example\nSubject: your mail\n\nPlease stop\. \n$/,
  );
  expect(await database.sql`select kind from inbound_messages`).toEqual([
    { kind: 'postmaster' },
    { kind: 'postmaster' },
  ]);
});

test('the same again is not copied again; without a setting nothing is', async () => {
  const to = reception('ops@shop.example');
  await bring(to, LETTER, 'postmaster');
  await bring(to, LETTER, 'postmaster');
  expect(await copies()).toHaveLength(1);
  await bring(reception(null), `X: y\r\n${LETTER}`, 'postmaster');
  expect(await copies()).toHaveLength(1);
});

test('what Volley wrote itself is not copied: no loop', async () => {
  const to = reception(`postmaster@${BOUNCE_DOMAIN}`);
  await bring(to, `X-Volley-Trace: ceaaa\r\n${LETTER}`, 'postmaster');
  expect(await copies()).toEqual([]);
});

test('a flood is kept, but copied sixty times an hour only', async () => {
  const to = reception('ops@shop.example');
  for (let i = 0; i < 70; i += 1) await bring(to, `X-Number: ${i}\r\n${LETTER}`, 'postmaster');
  expect(await copies()).toHaveLength(60);
  expect(await database.sql`select 1 from inbound_messages`).toHaveLength(70);
});
