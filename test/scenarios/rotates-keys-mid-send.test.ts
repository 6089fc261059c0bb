/** A DKIM key is changed while a campaign runs: what is sent after it carries the new signature. */
import { expect, test } from 'vitest';
import { account, startCampaign, startWorld, until, untilState } from '../harness/world.ts';

test('the second attempt of a greylisted message is signed with the new key', async () => {
  const world = await startWorld({ range: { greylistMs: 1_500 } });
  try {
    const id = await startCampaign(world.api, {
      recipients: ['accept+ann@qq.example', 'greylist+bob@qq.example'],
    });
    const { ledger } = world.range;
    await until(() => ledger.messagesFor('accept+ann@qq.example').length === 1);
    const campaign = await world.api.get<{ sender_id: string }>(`/v1/campaigns/${id}`);
    const path = `/v1/senders/${campaign.sender_id}`;
    const { dkim_selectors: former } = await world.api.get<{ dkim_selectors: string[] }>(path);
    const body = { algorithm: 'ed25519-sha256', selector: 'fresh' };
    await world.api.post(`${path}/keys`, body);
    await world.api.post(`${path}/keys/fresh/activate`, { unseen: true });
    for (const selector of former) await world.api.post(`${path}/keys/${selector}/retire`);
    await untilState(world.api, id, 'completed');

    const selectors = (address: string): string[] => {
      const text = ledger.messagesFor(address)[0]?.bytes?.toString('latin1') ?? '';
      return [...text.matchAll(/\bs=([\w-]+);/g)].map(([, selector]) => selector ?? '');
    };
    expect(selectors('accept+ann@qq.example')).toEqual(former);
    expect(selectors('greylist+bob@qq.example')).toEqual(['fresh']);
    await account(world, id);
  } finally {
    await world.stop();
  }
});
