import { expect, test } from 'vitest';
import type { CampaignInWork } from '../../src/scheduler/campaigns-in-work.ts';
import { lanes, share } from '../../src/scheduler/fairness.ts';
import type { QueuedRecipient } from '../../src/scheduler/queue/store.ts';
import { createRoster } from '../../src/scheduler/roster.ts';

function rows(count: number): QueuedRecipient[] {
  return Array.from({ length: count }, (_, index) => ({
    batchId: 1n,
    deliveryId: BigInt(index + 1),
    recipientId: BigInt(index + 1),
    address: `r${index + 1}@example.com`,
    addressKey: `r${index + 1}@example.com`,
    name: null,
    variablesJson: null,
    attempts: 0,
    suppressed: false,
  }));
}

test('a receiver that takes three recipients gets three a time from then on', () => {
  const roster = createRoster(rows(10));
  const first = roster.take(5);
  expect(first).toHaveLength(5);
  expect(roster.splitAfter(4n)).toBe(true);
  expect(roster.splitAfter(5n)).toBe(true);
  roster.closeIds([1n, 2n, 3n]);
  expect(roster.take(5).map((row) => row.deliveryId)).toEqual([6n, 7n, 8n]);
});

test('one recipient alone cannot be split: the refusal is his', () => {
  const roster = createRoster(rows(1));
  roster.take(50);
  expect(roster.splitAfter(1n)).toBe(false);
  expect(roster.closeIds([1n])).toHaveLength(1);
});

test('nobody is taken twice, nobody is closed twice', () => {
  const roster = createRoster(rows(4));
  const [first] = roster.take(1);
  roster.putBack(first === undefined ? [] : [first]);
  expect(roster.remove([2n]).map((row) => row.deliveryId)).toEqual([2n]);
  const taken = roster.take(Infinity);
  expect(taken.map((row) => row.deliveryId)).toEqual([1n, 3n, 4n]);
  expect(roster.close(taken)).toHaveLength(3);
  expect(roster.close(taken)).toHaveLength(0);
});

function campaign(id: bigint, stream: CampaignInWork['stream']): CampaignInWork {
  const expiresAt = new Date('2030-01-01T00:00:00Z');
  return {
    id,
    stream,
    state: 'sending',
    ambiguityPolicy: 'hold',
    senderDomain: 'example.com',
    pausedProviders: [],
    pool: null,
    expiresAt,
  };
}

test('transactional goes first, and inside a lane the order rotates', () => {
  const all = [campaign(1n, 'marketing'), campaign(2n, 'marketing'), campaign(3n, 'transactional')];
  const ids = (turn: number): bigint[][] =>
    lanes(all, turn).map((lane) => lane.map(({ id }) => id));
  expect(ids(0)).toEqual([[3n], [1n, 2n]]);
  expect(ids(1)).toEqual([[3n], [2n, 1n]]);
  expect(share(10, 3)).toBe(4);
  expect(share(0, 3)).toBe(1);
});
