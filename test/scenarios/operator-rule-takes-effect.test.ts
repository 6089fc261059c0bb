import { afterAll, beforeAll, expect, test } from 'vitest';
import { account, startCampaign, startWorld, statesOf, untilState } from '../harness/world.ts';
import type { TestWorld } from '../harness/world.ts';

let world: TestWorld;
beforeAll(async () => void (world = await startWorld()));
afterAll(() => world.stop());

interface Rules {
  data: { id: string; class: string; fired: number }[];
}

test('what receivers say is counted by rule, and a new rule decides without a restart', async () => {
  const first = await startCampaign(world.api, { recipients: ['unknown+one@gmail.example'] });
  await untilState(world.api, first, 'completed');
  await account(world, first);
  const events = await world.sql<{ rule: string; replyText: string }[]>`
    select rule, reply_text from events where kind = 'delivery.bounced'`;
  const said = events[0];
  const rules = await world.api.get<Rules>('/v1/bounces/rules');
  const id = said?.rule.split('/')[0];
  expect(rules.data.find((rule) => rule.id === id)?.fired).toBe(1);

  await world.api.post('/v1/bounces/rules', {
    id: 'our-own-words',
    pattern: 'no account of this name here',
    class: 'policy',
    evidence: said?.replyText,
  });
  const second = await startCampaign(world.api, { recipients: ['unknown+two@gmail.example'] });
  await untilState(world.api, second, 'completed');

  expect((await statesOf(world.api, second)).get('unknown+two@gmail.example')).toBe('bounced');
  const [event] = await world.sql<{ rule: string; class: string }[]>`
    select rule, class from events where kind = 'delivery.bounced' order by id desc limit 1`;
  expect(event).toEqual({ rule: 'own.our-own-words', class: 'policy' });
  expect((await world.api.get<Rules>('/v1/bounces/rules')).data[0]).toMatchObject({
    id: 'own.our-own-words',
    fired: 1,
  });
}, 60_000);
