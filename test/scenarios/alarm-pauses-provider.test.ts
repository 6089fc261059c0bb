/**
 * Half of a campaign's recipients at one provider do not exist: the alarm is raised, the provider is
 * held, a webhook says so, and the rest of the mail goes on. A person resumes, and all is accounted for.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifies } from '../../src/campaigns/webhooks/signature.ts';
import { account, draftCampaign, startWorld, until, untilState } from '../harness/world.ts';
import type { TestWorld } from '../harness/world.ts';

interface Told {
  verified: boolean;
  type: string;
  data: Record<string, unknown>;
}
interface CampaignAnswer {
  state: string;
  held_providers: { pause_id: string; provider: string; reason: string }[];
}

let world: TestWorld;
let secret = '';
const told: Told[] = [];
const hook = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => void (body += chunk.toString()));
  request.on('end', () => {
    const id = String(request.headers['webhook-id']);
    const timestamp = Number(request.headers['webhook-timestamp']);
    const signature = String(request.headers['webhook-signature']);
    const verified = verifies(secret, { id, timestamp, body }, signature, new Date());
    told.push({ verified, ...(JSON.parse(body) as Omit<Told, 'verified'>) });
    response.writeHead(204).end();
  });
});

beforeAll(async () => {
  world = await startWorld({
    env: {
      VOLLEY_ALARM_INTERVAL_SECONDS: '1',
      VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: '1',
      VOLLEY_BATCH_SIZE: '20',
    },
  });
  await new Promise<void>((resolve) => void hook.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await world.stop();
  await new Promise((resolve) => hook.close(resolve));
});

const PLACES = ['qq.example', 'gmail.example'];
const half = (n: number): string => (n % 2 === 0 ? 'unknown+' : 'accept+');

test('a provider with too many unknown users is held, told of, resumed; the balance closes', async () => {
  const { api, sql } = world;
  await sql`delete from alarm_rules`;
  await sql`insert into domain_providers (domain, provider) values ('qq.example', 'qq')`;
  const { port } = hook.address() as AddressInfo;
  ({ secret } = await api.post<{ secret: string }>('/v1/webhooks', {
    url: `http://127.0.0.1:${port}/`,
  }));
  await api.post('/v1/alarm-rules', {
    name: 'dead-lists',
    metric: 'bounce',
    min_volume: 40,
    threshold: 0.3,
    action: 'pause_provider',
  });
  const recipients = Array.from({ length: 3_000 }, (_, n) => `${half(n)}r${n}@${PLACES[0]}`);
  recipients.push(...Array.from({ length: 50 }, (_, n) => `accept+r${n}@${PLACES[1]}`));
  const id = await draftCampaign(api, { recipients, mode: 'parallel', ttlSeconds: 600 });
  await api.post(`/v1/campaigns/${id}/start`);
  const campaign = () => api.get<CampaignAnswer>(`/v1/campaigns/${id}`);

  await until(async () => (await campaign()).held_providers.length === 1);
  await until(() => told.length >= 2);
  const held = (await campaign()).held_providers[0];
  expect(held?.provider).toBe('qq');
  expect(held?.reason).toMatch(/^dead-lists at qq: \d+ of \d+ \(5\d?\.?\d* %\) in 60 minutes/);
  expect(told.map(({ type }) => type).sort()).toEqual(['alarm.raised', 'provider.paused']);

  // What was under way has ended: nothing more goes to qq, all of gmail has been sent.
  await until(() => world.engine.load().batches === 0);
  const sentTo = (domain: string) =>
    [...world.range.ledger.addressesAccepted().keys()].filter((to) => to.endsWith(domain)).length;
  const stopped = sentTo('qq.example');
  expect(stopped).toBeLessThan(1_500);
  expect(sentTo('gmail.example')).toBe(50);
  const seen = await sql<{ at: Date }[]>`select now() as at`;
  await until(async () => {
    const [later] = await sql<{ over: boolean }[]>`
      select now() > ${seen[0]?.at ?? null}::timestamptz + interval '1.5 seconds' as over`;
    return later?.over === true;
  });
  expect(sentTo('qq.example')).toBe(stopped);
  expect((await campaign()).state).toBe('sending');
  const report = await api.get<{ held: { held_providers: unknown[] } }>(
    `/v1/campaigns/${id}/report`,
  );
  expect(report.held.held_providers).toHaveLength(1);

  // Whoever resumes has looked at it: the rule would only raise the alarm again.
  await sql`update alarm_rules set threshold = 0.9 where name = 'dead-lists'`;
  await api.post(`/v1/provider-pauses/${held?.pause_id}/resume`);
  await untilState(api, id, 'completed');
  await until(() => told.some(({ type }) => type === 'provider.resumed'));

  expect(told.every(({ verified }) => verified)).toBe(true);
  expect(await account(world, id)).toMatchObject({ accepted: 1_550, bounced: 1_500 });
}, 120_000);
