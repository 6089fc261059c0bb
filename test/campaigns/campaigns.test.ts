import { describe, expect, test } from 'vitest';
import { TRANSITIONS, TRANSITION_SOURCES } from '../../src/campaigns/campaign.ts';
import type { CampaignState, Transition } from '../../src/campaigns/campaign.ts';
import { createCampaign, getCampaign, listCampaigns } from '../../src/campaigns/campaigns.ts';
import {
  cancelCampaign,
  pauseCampaign,
  resumeCampaign,
  startCampaign,
} from '../../src/campaigns/lifecycle.ts';
import { effectiveMode } from '../../src/campaigns/mode.ts';
import { createTemplate } from '../../src/campaigns/templates.ts';
import { CHANNELS } from '../../src/kernel/events.ts';
import { useDatabase } from '../harness/database.ts';
import { makeCampaign, makeSender, testDeps, uploadCsv } from './fixture.ts';

const database = useDatabase();
const NOW = new Date('2026-03-01T12:00:00Z');
const deps = () => ({ ...testDeps(database.sql), clock: () => NOW });
const CONTENT = { subject: 'Hi', format: 'html' as const, source: '<p>Hi</p>', text: null };
const VARYING = { ...CONTENT, subject: 'Hi {{name}}', source: '{{points}} {{unsubscribe_url}}' };

async function putInState(id: bigint, state: CampaignState): Promise<void> {
  await database.sql`update campaigns set state = ${state} where id = ${id}`;
}

async function eventsOf(id: bigint): Promise<string[]> {
  const rows = await database.sql<{ kind: string }[]>`
    select kind from events where campaign_id = ${id} order by id`;
  return rows.map((row) => row.kind);
}

describe('making a campaign', () => {
  test('from a template or from content of its own', async () => {
    const sender = await makeSender(deps());
    const template = await createTemplate(deps(), { name: 'T', ...VARYING });
    const one = await makeCampaign(deps(), {
      senderId: sender.id,
      templateId: template.id,
      content: null,
    });
    expect(one).toMatchObject({
      state: 'draft',
      contentId: template.contentId,
      variables: ['name', 'points'],
      effectiveMode: 'parallel',
      recipientCount: 0,
      allowedTransitions: ['start', 'cancel'],
      startedAt: null,
    });
    const two = await makeCampaign(deps(), { senderId: sender.id, content: CONTENT });
    expect(two).toMatchObject({ variables: [], mode: 'auto', effectiveMode: 'single_copy' });
    expect(await getCampaign(deps(), two.id)).toEqual(two);
  });

  test('one copy cannot carry what varies; the refusal names it', async () => {
    await expect(
      makeCampaign(deps(), { content: VARYING, mode: 'single_copy' }),
    ).rejects.toMatchObject({ code: 'content_varies', extra: { variables: ['name', 'points'] } });
    const link = { ...CONTENT, source: '<a href="{{unsubscribe_url}}">x</a>' };
    expect(await makeCampaign(deps(), { content: link, mode: 'single_copy' })).toMatchObject({
      effectiveMode: 'single_copy',
    });
  });

  test.each([
    ['both contents', { templateId: 1n }, '/template_id'],
    ['no content', { content: null }, '/template_id'],
    ['an unknown template', { content: null, templateId: 999_999n }, '/template_id'],
    ['an unknown sender', { senderId: 999_999n }, '/sender_id'],
    ['no time', { ttlSeconds: 0 }, '/ttl_seconds'],
    ['too much time', { ttlSeconds: 2_592_001 }, '/ttl_seconds'],
    ['no name', { name: ' ' }, '/name'],
  ])('%s is refused', async (_, changes, pointer) => {
    await expect(makeCampaign(deps(), changes)).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer }],
    });
  });

  test('a fault in inline content points into the content, and nothing is stored', async () => {
    const [before] = await database.sql`select count(*) from contents`;
    await expect(
      makeCampaign(deps(), { content: { ...CONTENT, source: '{{> x}}' } }),
    ).rejects.toMatchObject({ code: 'template_invalid', errors: [{ pointer: '/content/source' }] });
    await expect(
      makeCampaign(deps(), { content: VARYING, mode: 'single_copy' }),
    ).rejects.toMatchObject({ code: 'content_varies' });
    expect((await database.sql`select count(*) from contents`)[0]).toEqual(before);
  });

  test('lists come newest first, by state when asked', async () => {
    const sender = await makeSender(deps());
    const made: bigint[] = [];
    for (let i = 0; i < 3; i += 1) {
      made.unshift((await makeCampaign(deps(), { senderId: sender.id })).id);
    }
    await putInState(made[1] ?? 0n, 'completed');
    const page = await listCampaigns(deps(), { limit: 2, after: null });
    expect(page.data.map(({ id }) => id)).toEqual(made.slice(0, 2));
    expect(page).toMatchObject({ hasMore: true, nextCursor: made[1] });
    const completed = await listCampaigns(
      deps(),
      { limit: 10, after: null },
      { state: 'completed' },
    );
    expect(completed.data.map(({ id }) => id)).toEqual([made[1]]);
    expect(completed).toMatchObject({ hasMore: false, nextCursor: null });
  });

  test('auto', () => {
    expect(effectiveMode('auto', [], 'statement')).toBe('single_copy');
    expect(effectiveMode('auto', ['name'], 'statement')).toBe('parallel');
    expect(effectiveMode('auto', [], 'marketing')).toBe('parallel');
    expect(effectiveMode('single_copy', [], 'marketing')).toBe('single_copy');
    expect(effectiveMode('parallel', [], 'statement')).toBe('parallel');
  });
});

const ACTIONS: Record<Transition, typeof startCampaign> = {
  start: startCampaign,
  pause: pauseCampaign,
  resume: resumeCampaign,
  cancel: cancelCampaign,
};
const STATES: CampaignState[] = [
  'draft',
  'expanding',
  'sending',
  'paused',
  'cancelling',
  'completed',
  'cancelled',
];

describe('transitions', () => {
  test('every state and every verb: allowed as the table says, refused with the allowed ones', async () => {
    const sender = await makeSender(deps());
    for (const state of STATES) {
      for (const name of TRANSITIONS) {
        const campaign = await makeCampaign(deps(), { senderId: sender.id });
        await uploadCsv(deps(), campaign.id, 'email\na@b.example\n');
        await putInState(campaign.id, state);
        const attempt = ACTIONS[name](deps(), campaign.id);
        if (TRANSITION_SOURCES[name].includes(state)) {
          expect((await attempt).state).not.toBe(state);
          expect(await eventsOf(campaign.id)).toHaveLength(1);
          continue;
        }
        await expect(attempt).rejects.toMatchObject({
          code: 'illegal_transition',
          extra: {
            state,
            allowed_transitions: TRANSITIONS.filter((one) =>
              TRANSITION_SOURCES[one].includes(state),
            ),
          },
        });
        expect((await getCampaign(deps(), campaign.id)).state).toBe(state);
        expect(await eventsOf(campaign.id)).toEqual([]);
      }
    }
  });

  test('start fixes the end, asks for the expansion and tells the dispatchers', async () => {
    const own = deps();
    const campaign = await makeCampaign(own, { ttlSeconds: 600 });
    await expect(startCampaign(own, campaign.id)).rejects.toMatchObject({ code: 'campaign_empty' });
    await uploadCsv(own, campaign.id, 'email\na@b.example\n');
    const told = Promise.withResolvers<string>();
    const listening = await database.sql.listen(CHANNELS.campaigns, told.resolve);
    const started = await startCampaign(own, campaign.id);
    expect(started).toMatchObject({
      state: 'expanding',
      startedAt: NOW,
      expiresAt: new Date('2026-03-01T12:10:00Z'),
      allowedTransitions: ['pause', 'cancel'],
    });
    expect(own.asked.expansions).toEqual([campaign.id]);
    expect(await told.promise).toBe(campaign.id.toString());
    await listening.unlisten();
    expect(await eventsOf(campaign.id)).toEqual(['campaign.started']);
  });

  test('resume goes back to where the campaign was', async () => {
    const own = deps();
    const campaign = await makeCampaign(own);
    await uploadCsv(own, campaign.id, 'email\na@b.example\n');
    await startCampaign(own, campaign.id);
    await pauseCampaign(own, campaign.id);
    expect(await resumeCampaign(own, campaign.id)).toMatchObject({ state: 'expanding' });
    expect(own.asked.expansions).toEqual([campaign.id, campaign.id]);
    await database.sql`
      update campaigns set state = 'sending', expanded_count = 1 where id = ${campaign.id}`;
    await pauseCampaign(own, campaign.id);
    expect(await resumeCampaign(own, campaign.id)).toMatchObject({ state: 'sending' });
    expect(own.asked.expansions).toHaveLength(2);
    await cancelCampaign(own, campaign.id);
    expect(own.asked.cancellations).toEqual([campaign.id]);
    expect((await eventsOf(campaign.id)).at(-1)).toBe('campaign.cancelling');
  });

  test('of two callers at once one wins', async () => {
    const campaign = await makeCampaign(deps());
    await uploadCsv(deps(), campaign.id, 'email\na@b.example\n');
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => startCampaign(deps(), campaign.id)),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await eventsOf(campaign.id)).toEqual(['campaign.started']);
  });

  test('a job that cannot be asked for undoes the start', async () => {
    const campaign = await makeCampaign(deps());
    await uploadCsv(deps(), campaign.id, 'email\na@b.example\n');
    const failing = {
      ...deps(),
      jobs: {
        enqueueExpansion: async () => Promise.reject(new Error('no queue')),
        enqueueCancellation: async () => undefined,
      },
    };
    await expect(startCampaign(failing, campaign.id)).rejects.toThrow('no queue');
    expect(await getCampaign(deps(), campaign.id)).toMatchObject({
      state: 'draft',
      startedAt: null,
    });
    expect(await eventsOf(campaign.id)).toEqual([]);
  });

  test('nobody is not found', async () => {
    for (const name of TRANSITIONS) {
      await expect(ACTIONS[name](deps(), 999_999n)).rejects.toMatchObject({ code: 'not_found' });
    }
    await expect(getCampaign(deps(), 999_999n)).rejects.toMatchObject({ code: 'not_found' });
    await expect(
      createCampaign(deps(), {
        name: 'x',
        senderId: 999_999n,
        content: CONTENT,
        stream: 'marketing',
        mode: 'auto',
        ttlSeconds: 60,
        ambiguityPolicy: 'hold',
      }),
    ).rejects.toMatchObject({ code: 'invalid_request' });
  });
});
