/**
 * bench/peers — other systems that send the same bytes to the same sink in the same run.
 *
 * Promises: a peer that is not here is named in the notes, never guessed. Those that are slow get
 *           fewer messages; the rate is what is compared.
 */
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';
import { messageOf } from '../../src/kernel/errors.ts';
import type { Contender } from '../harness/bench.ts';
import type { CampaignPlan } from '../harness/campaign.ts';
import { CONNECTIONS } from '../harness/engine.ts';
import { heldByRun, unlessInterrupted } from '../harness/run-scope.ts';
import type { Sink } from '../harness/sink.ts';
import { harakaAbsence, startHaraka } from './haraka.ts';
import { mailServerContender } from './mail-server.ts';
import type { MailServer } from './mail-server.ts';
import { nodemailerConnection, nodemailerPool } from './nodemailer.ts';
import { openSmtpdAbsence, startOpenSmtpd } from './opensmtpd.ts';
import { postfixAbsence, startPostfix } from './postfix.ts';

export interface PeerTask {
  sink: Sink;
  /** Where to connect: the sink, or the delay before it. */
  port: number;
  plan: CampaignPlan;
  recipientsEach: number;
  mailServers: boolean;
}

export interface Peers {
  contenders: Contender[];
  notes: string[];
}

interface Server {
  name: string;
  absence: () => string | null;
  start: (stack: ResourceStack, sinkPort: number) => Promise<MailServer>;
}

const SERVERS: readonly Server[] = [
  { name: 'Postfix', absence: postfixAbsence, start: startPostfix },
  { name: 'OpenSMTPD', absence: openSmtpdAbsence, start: startOpenSmtpd },
  { name: 'Haraka', absence: harakaAbsence, start: startHaraka },
];

/** Enough for a few seconds of the slowest. */
const SERVER_MESSAGES = 1_000;
const LIBRARY_MESSAGES = 5_000;
/** Messages of one copy for many. */
const SERVER_COPIES = 200;

export async function peersFor(stack: ResourceStack, task: PeerTask): Promise<Peers> {
  const { sink, port, plan, recipientsEach } = task;
  const servers = createResourceStack();
  stack.onRelease('mail servers', () => servers.release());
  heldByRun('mail servers', () => servers.release());
  const { sizeBytes, dkim } = plan;
  const base = { recipientsEach, connections: CONNECTIONS, sizeBytes };
  const count = (messages: number): number => Math.min(plan.n, messages * recipientsEach);
  const copies = recipientsEach > 1;
  const library = { ...base, n: count(copies ? SERVER_COPIES : LIBRARY_MESSAGES) };
  const contenders: Contender[] = [nodemailerPool(sink, port, { ...library, dkim })];
  if (dkim === 'none') contenders.push(nodemailerConnection(sink, port, { ...library, dkim }));
  const notes: string[] = [];
  for (const { name, absence, start } of task.mailServers ? SERVERS : []) {
    const reason = absence();
    if (reason !== null) {
      notes.push(reason);
      continue;
    }
    await unlessInterrupted();
    try {
      const server = await start(servers, port);
      const n = count(copies ? SERVER_COPIES : SERVER_MESSAGES);
      // They relay what they are given; signing is their users' milters' work.
      contenders.push(mailServerContender(name, server, sink, { ...base, n, dkim: 'none' }));
    } catch (error) {
      notes.push(`${name} is not measured: ${messageOf(error)}`);
    }
  }
  return { contenders, notes };
}
