/**
 * bench/peers — other systems that send the same bytes to the same sink in the same run.
 *
 * Promises: a peer that is not here is named in the notes, never guessed. Those that are slow get
 *           fewer messages, enough for about ten seconds where the campaign is that large; the rate is
 *           what is compared.
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
  /** It expands one copy for many when it is asked to. */
  expands?: true;
  /** Of about ten seconds: messages for one recipient each, and recipients of copies for many. */
  messages: number;
  recipients: number;
}

const SERVERS: readonly Server[] = [
  {
    name: 'Postfix',
    absence: postfixAbsence,
    start: startPostfix,
    expands: true,
    messages: 6_000,
    recipients: 50_000,
  },
  {
    name: 'OpenSMTPD',
    absence: openSmtpdAbsence,
    start: startOpenSmtpd,
    messages: 2_500,
    recipients: 20_000,
  },
  {
    name: 'Haraka',
    absence: harakaAbsence,
    start: startHaraka,
    messages: 6_000,
    recipients: 100_000,
  },
];

const LIBRARY_MESSAGES = 5_000;
const LIBRARY_RECIPIENTS = 200_000;

const NOTES = ['nodemailer is a library, not a mail server: it keeps no queue and records nothing'];
const UNSIGNED =
  'the mail servers relay unsigned mail: signing is the work of a milter beside them';

export async function peersFor(stack: ResourceStack, task: PeerTask): Promise<Peers> {
  const { sink, port, plan, recipientsEach } = task;
  const servers = createResourceStack();
  stack.onRelease('mail servers', () => servers.release());
  heldByRun('mail servers', () => servers.release());
  const { sizeBytes, dkim } = plan;
  const base = { recipientsEach, connections: CONNECTIONS, sizeBytes };
  const atMost = (n: number): number => Math.min(plan.n, n);
  const copies = recipientsEach > 1;
  const library = { ...base, n: atMost(copies ? LIBRARY_RECIPIENTS : LIBRARY_MESSAGES) };
  const contenders: Contender[] = [nodemailerPool(sink, port, { ...library, dkim })];
  if (dkim === 'none') contenders.push(nodemailerConnection(sink, port, { ...library, dkim }));
  const notes = [...NOTES, ...(dkim === 'none' ? [] : [UNSIGNED])];
  for (const peer of task.mailServers ? SERVERS : []) {
    const { name } = peer;
    const reason = peer.absence();
    if (reason !== null) {
      notes.push(reason);
      continue;
    }
    await unlessInterrupted();
    try {
      const server = await peer.start(servers, port);
      const n = atMost(copies ? peer.recipients : peer.messages);
      const options = { ...base, n, dkim: 'none' } as const;
      contenders.push(mailServerContender(name, server, sink, options));
      if (copies && peer.expands === true) {
        const each = { ...options, n: atMost(peer.messages), xverp: true };
        contenders.push(mailServerContender(`${name}, XVERP`, server, sink, each));
      }
    } catch (error) {
      notes.push(`${name} is not measured: ${messageOf(error)}`);
    }
  }
  return { contenders, notes };
}
