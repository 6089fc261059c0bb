/**
 * A batch at work, against what the mta may do: no mark outlives its outcome, and none is left behind
 * for a message that was not sent. The mta is played by the test; database and recorder are real.
 */
import { expect, test } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { createLogger } from '../../src/kernel/log.ts';
import type { RecipientOutcome } from '../../src/mta/outcome.ts';
import type { DeliveryRequest, Transaction } from '../../src/mta/transaction.ts';
import { freeAbandoned } from '../../src/scheduler/keep/keeper.ts';
import type { MessageSource } from '../../src/scheduler/ports.ts';
import { listCampaignsInWork, readRecipients } from '../../src/scheduler/queue/store.ts';
import { createRecorder } from '../../src/scheduler/record/recorder.ts';
import type { Recorder } from '../../src/scheduler/record/recorder.ts';
import { runBatch } from '../../src/scheduler/runner.ts';
import type { BatchRun } from '../../src/scheduler/runner.ts';
import { useDatabase } from '../harness/database.ts';
import { messageOfLines } from '../harness/message.ts';
import { claim, expandedCampaign } from '../harness/work.ts';

const database = useDatabase();
const log = createLogger('silent');

const source: MessageSource = {
  open: async () => {
    const rendered = {
      ok: true as const,
      message: messageOfLines('Subject: x\r\n\r\nx\r\n'),
      envelopeSender: 'b@bounce.shop.example',
      envelopeId: 'e',
    };
    return Promise.resolve({
      mode: 'single_copy',
      protection: 'policy',
      render: async () => Promise.resolve(rendered),
      renderCopy: async () => Promise.resolve(rendered),
    });
  },
};

interface Scene {
  request: DeliveryRequest;
  run: () => BatchRun;
  /** Marks wait from now on, until the answer is called. */
  holdMarks: () => () => void;
  end(id: bigint, over: Partial<RecipientOutcome>): void;
}

/** Runs a batch of `count`; `play` is the mta's part of each `deliver`. */
async function runs(count: number, play: (scene: Scene) => Promise<void>) {
  const { sql } = database;
  const campaignId = await expandedCampaign(sql, { recipients: { 'a.example': count } }, 100);
  const [batch] = await claim(sql, campaignId);
  const campaign = (await listCampaignsInWork(sql)).find(({ id }) => id === campaignId)!;
  const recipients = await readRecipients(sql, [batch!.id], campaign);
  const recorder = createRecorder({ sql, owner: 'me', clock: systemClock, log });
  const order: string[] = [];
  let gate: Promise<unknown> = Promise.resolve();
  const slow: Recorder = {
    async mark(marks) {
      await gate;
      await recorder.mark(marks);
      order.push('marked');
    },
    record(entry) {
      order.push(entry.decision.state);
      recorder.record(entry);
    },
    settle: (id) => recorder.settle(id),
    hasRoom: () => recorder.hasRoom(),
    ready: () => recorder.ready(),
    stop: (timeoutMs) => recorder.stop(timeoutMs),
  };
  const facts = {
    failure: null,
    mxHost: 'mx.a.example',
    mxAddress: '127.0.0.1:25',
    sourceAddress: null,
    tls: null,
    startedAt: new Date(),
    durationMs: 1,
  };
  const run: BatchRun = runBatch(
    {
      sql,
      source,
      recorder: slow,
      clock: systemClock,
      random: () => 0.5,
      log,
      retryScheduleSeconds: [600],
      maxRecipientsPerCopy: 100,
      maxLanes: 1,
      campaigns: {
        get: () => campaign,
        all: () => [campaign],
        maySend: () => true,
        refresh: async () => Promise.resolve(),
        stop: async () => Promise.resolve(),
      },
      mta: {
        deliver: async (request) =>
          play({
            request,
            run: () => run,
            holdMarks: () => {
              const { promise, resolve } = Promise.withResolvers<null>();
              gate = promise;
              return () => resolve(null);
            },
            end: (recipientId, over) =>
              request.onOutcome({
                ...facts,
                recipientId,
                result: 'accepted',
                stage: 'dot',
                reply: { code: 250, enhanced: null, text: 'ok' },
                ...over,
              }),
          }),
        openConnections: () => 0,
        close: async () => Promise.resolve(),
      },
    },
    batch!,
    campaign,
    recipients,
  );
  await run.done;
  await recorder.stop(5_000);
  const states = await sql<{ state: string; attempts: number; n: number }[]>`
    select state, attempts, count(*)::int as n from deliveries where campaign_id = ${campaignId}
    group by 1, 2 order by 1, 2`;
  const [row] = await sql`select state, owner, marked from batches where id = ${batch!.id}`;
  return { campaignId, states, batch: row, order };
}

const FULL = {
  result: 'deferred',
  stage: 'rcpt',
  reply: { code: 452, enhanced: '4.5.3', text: 'too many recipients' },
} as const;
const idsOf = (transaction: Transaction | null) => transaction!.recipients.map(({ id }) => id);

test('a copy that had no room for all, then a drain: who was not sent is not in doubt', async () => {
  const { states, batch } = await runs(4, async ({ request, run, end }) => {
    const ids = idsOf(await request.next());
    // Faster than the mark.
    for (const id of ids.slice(2)) end(id, FULL);
    run().drain();
    for (const id of ids.slice(0, 2)) end(id, {});
    expect(await request.next()).toBeNull();
  });
  expect(states).toEqual([
    { state: 'pending', attempts: 0, n: 2 },
    { state: 'accepted', attempts: 1, n: 2 },
  ]);
  expect(batch).toEqual({ state: 'ready', owner: null, marked: '{}' });
});

test('a site that breaks before the mark is durable: put off, and not in doubt', async () => {
  const { states, batch, order } = await runs(3, async ({ request, end, holdMarks }) => {
    const release = holdMarks();
    const ids = idsOf(await request.next());
    for (const id of ids.slice(1)) end(id, FULL);
    end(ids[0]!, { result: 'deferred', stage: 'mail', reply: null, failure: 'connection_lost' });
    request.onSiteFailure({
      result: 'deferred',
      stage: 'connect',
      reply: null,
      failure: 'connect_failed',
      mxHost: null,
      mxAddress: null,
      sourceAddress: null,
      tls: null,
      startedAt: new Date(),
      durationMs: 1,
    });
    release();
  });
  expect(order).toEqual(['marked', 'pending', 'pending', 'pending']);
  expect(states).toEqual([{ state: 'pending', attempts: 1, n: 3 }]);
  expect(batch).toEqual({ state: 'waiting', owner: null, marked: '{}' });
});

test('an mta that forgets a message: its recipients are ambiguous, and none is sent twice', async () => {
  let pulled = 0;
  const { campaignId, states, batch } = await runs(3, async ({ request, end }) => {
    const transaction = await request.next();
    pulled += 1;
    await transaction!.marked;
    end(idsOf(transaction)[0]!, {});
  });
  expect(pulled).toBe(1);
  expect(states.map(({ state, n }) => [state, n])).toEqual([
    ['pending', 2],
    ['accepted', 1],
  ]);
  expect(batch).toMatchObject({ state: 'claimed', owner: null });
  const { sql } = database;
  const deps = { sql, clock: systemClock, log, onWork: () => undefined };
  await freeAbandoned(deps, { expiredOnly: true });
  const rows = await sql`
    select state, count(*)::int as n from deliveries where campaign_id = ${campaignId}
    group by 1 order by 1`;
  expect(rows).toEqual([
    { state: 'accepted', n: 1 },
    { state: 'ambiguous', n: 2 },
  ]);
});
