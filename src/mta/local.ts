/**
 * mta/local — transports without a connection: `discard` and `file`.
 *
 * Promises: as on the wire: nothing is kept before the write-ahead mark is durable, and every
 *           recipient of every transaction pulled gets one outcome. A recipient of `file` gets a file
 *           of his own, with Return-Path and Delivered-To before the message.
 * Fails:    a folder that cannot be written: `deferred` / `storage_failed`; told the operator in the
 *           log, the mail waits.
 * See:      maildir.ts.
 */
import { messageOf } from '../kernel/errors.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Logger } from '../kernel/log.ts';
import { isSafe } from './command.ts';
import type { Maildirs } from './maildir.ts';
import { plainBody } from './message.ts';
import type { RecipientOutcome } from './outcome.ts';
import { pull, tellOutcome, untilRoom } from './request.ts';
import type { RequestState } from './request.ts';
import type { Transaction, TransactionRecipient } from './transaction.ts';
import type { LocalTransport } from './transport.ts';

export interface LocalDeps {
  maildirs: Maildirs;
  now: Clock;
  log: Logger | null;
}

type Kept = Pick<RecipientOutcome, 'result' | 'stage' | 'reply' | 'failure'>;

/** Resolves when the source has ended and everybody pulled has his outcome. */
export async function deliverLocally(
  deps: LocalDeps,
  request: RequestState,
  transport: LocalTransport,
): Promise<void> {
  const lanes = Math.max(1, request.source.maxLanes);
  await Promise.all(Array.from({ length: lanes }, () => runLane(deps, request, transport)));
}

async function runLane(
  deps: LocalDeps,
  request: RequestState,
  transport: LocalTransport,
): Promise<void> {
  for (;;) {
    const work = await pull(request, await untilRoom(request));
    if (work === null) return;
    const { transaction, recipients } = work;
    const startedAt = deps.now();
    const marked = await transaction.marked.then(
      () => true,
      () => false,
    );
    for (const recipient of recipients) {
      const kept = marked
        ? await keep(deps, transport, transaction, recipient)
        : failed('deferred', 'aborted');
      tellOutcome(request, transaction, {
        ...kept,
        recipientId: recipient.id,
        mxHost: null,
        mxAddress: transport.type === 'file' ? `file:${transport.directory}` : 'discard',
        sourceAddress: null,
        tls: null,
        startedAt,
        durationMs: Math.max(0, deps.now().getTime() - startedAt.getTime()),
      });
    }
  }
}

async function keep(
  deps: LocalDeps,
  transport: LocalTransport,
  transaction: Transaction,
  recipient: TransactionRecipient,
): Promise<Kept> {
  if (transport.type === 'discard') return accepted('discarded');
  const { envelopeSender, message } = transaction;
  if (!isSafe(envelopeSender) || !isSafe(recipient.address)) {
    return failed('rejected', 'bad_address');
  }
  const head = `Return-Path: <${envelopeSender}>\r\nDelivered-To: ${recipient.address}\r\n`;
  try {
    const written = await deps.maildirs.write(transport.directory, [
      Buffer.from(head),
      ...plainBody(message).parts,
    ]);
    // Visible, but a power cut could undo it: nobody knows.
    if (!written.durable) return failed('ambiguous', 'storage_failed');
    return accepted(`kept as ${written.name}`);
  } catch (error) {
    const { directory } = transport;
    deps.log?.error({ directory, reason: messageOf(error) }, 'a message cannot be kept in a file');
    return failed('deferred', 'storage_failed');
  }
}

function accepted(text: string): Kept {
  const reply = { code: 250, enhanced: '2.0.0', text };
  return { result: 'accepted', stage: 'dot', reply, failure: null };
}

function failed(result: Kept['result'], failure: NonNullable<Kept['failure']>): Kept {
  return { result, stage: 'data', reply: null, failure };
}
