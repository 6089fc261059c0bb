/**
 * bounce/list-answers — what follows from a list command by mail: a mail that asks, or the deed.
 *
 * Promises: in the transaction that records the message. A request changes nothing; it is answered with
 *           a cookie, at most three times a day to one address. A confirmed `unsubscribe` suppresses
 *           the address for the stream; a confirmed `subscribe` releases what the recipient himself
 *           had asked for (reason `unsubscribe`: of this stream, and of this sender), and nothing else.
 * See:      commands.ts, docs/unsubscribe.md.
 */
import type { Tx } from '../kernel/postgres/connect.ts';
import type { KeyRing } from '../verp/keyring.ts';
import type { Arrival } from './arrival.ts';
import { commandAddress, isAutomatic, readCookie, signCookie, writerOf } from './commands.ts';
import type { ListRequest } from './commands.ts';
import { readMessage } from './message.ts';
import type { Notices } from './notices.ts';
import { appendReturnEvents, findSenderOfDomain } from './store.ts';
import { addSuppressions, releaseSuppression } from './suppressions/store.ts';
import { streamOfSender } from './suppressions/suppression.ts';

export interface ListDeps {
  keyRing: KeyRing;
  notices: Notices;
}

const ANSWERS_A_DAY = 3;
const ANSWERS_AN_HOUR = 1_000;

export async function answerCommand(deps: ListDeps, tx: Tx, arrival: Arrival): Promise<void> {
  const { destination, envelopeSender, inspection, receivedAt } = arrival;
  if (destination.purpose !== 'list') return;
  const { headers } = readMessage(arrival.raw);
  const writer = writerOf(envelopeSender);
  if (writer === null || isAutomatic(envelopeSender, headers, inspection)) return;
  const { command, domain } = destination;
  // What is written from our own bounce addresses is forged, and the answer would come back to us.
  if (writer.domain === domain) return;
  if (command.verb === 'request') {
    const { action, stream } = command;
    const request = { domain, stream, action, addressKey: writer.key };
    await ask(deps, tx, request, writer.address, receivedAt);
    return;
  }
  const confirmed = readCookie(deps.keyRing, command.cookie, domain, writer.key, receivedAt);
  if (confirmed !== null) await carryOut(tx, confirmed, receivedAt);
}

async function ask(
  deps: ListDeps,
  tx: Tx,
  request: ListRequest,
  to: string,
  now: Date,
): Promise<void> {
  const { domain } = request;
  const sender = await findSenderOfDomain(tx, domain);
  if (sender === null) return;
  const cookie = signCookie(deps.keyRing, request, now);
  const confirm = commandAddress({ verb: 'confirm', cookie }, domain);
  await deps.notices.send(tx, {
    kind: 'list',
    senderId: sender.id,
    notices: [{ to, ...wordsOf(request, confirm), replyTo: confirm }],
    perAddressADay: ANSWERS_A_DAY,
    perHour: ANSWERS_AN_HOUR,
  });
}

function wordsOf({ action, stream, domain }: ListRequest, confirm: string) {
  const verb = action === 'subscribe' ? 'receive mails again' : 'receive no more mails';
  const verbZh = action === 'subscribe' ? '恢复接收' : '不再接收';
  return {
    subject: `Please confirm: ${action} (${stream}) / 请确认`,
    text: `Somebody, probably you, asked to ${verb} of the kind "${stream}" from ${domain}.

To confirm, answer this mail, or write to
${confirm}
within ten days. If it was not you, do nothing: nothing has changed.

有人（可能是您）请求${verbZh} ${domain} 的“${stream}”类邮件。
请在十天内直接回复本邮件，或发送邮件到以上地址以确认。
如果不是您本人操作，请忽略此邮件，设置不会改变。
`,
  };
}

/** Done before: nothing more is said of it. */
async function carryOut(tx: Tx, request: ListRequest, at: Date): Promise<void> {
  const { action, addressKey, stream, domain } = request;
  const changed =
    action === 'unsubscribe' ? await unsubscribe(tx, request) : await subscribe(tx, request);
  if (!changed) return;
  await appendReturnEvents(tx, [
    {
      at,
      kind: action === 'subscribe' ? 'recipient.subscribed' : 'recipient.unsubscribed',
      campaignId: null,
      deliveryId: null,
      class: null,
      rule: null,
      enhancedCode: null,
      replyText: null,
      data: { address: addressKey, stream, domain, how: 'mail' },
    },
  ]);
}

async function unsubscribe(tx: Tx, { addressKey, stream, domain }: ListRequest): Promise<boolean> {
  const sender = await findSenderOfDomain(tx, domain);
  if (sender === null) return false;
  const { added, extended } = await addSuppressions(tx, [
    {
      addressKey,
      scope: 'stream',
      scopeValue: streamOfSender(sender.domain, stream),
      reason: 'unsubscribe',
      origin: 'recipient',
      evidence: `confirmed by mail to ${domain}`,
      campaignId: null,
      deliveryId: null,
      expiresAt: null,
    },
  ]);
  return added + extended > 0;
}

async function subscribe(tx: Tx, { addressKey, stream, domain }: ListRequest): Promise<boolean> {
  const sender = await findSenderOfDomain(tx, domain);
  if (sender === null) return false;
  const lists = [
    { scope: 'stream', scopeValue: streamOfSender(sender.domain, stream) },
    { scope: 'sender', scopeValue: sender.domain },
  ] as const;
  let changed = false;
  for (const list of lists) {
    const only = { ...list, reason: 'unsubscribe' } as const;
    if ((await releaseSuppression(tx, addressKey, 'recipient, by mail', only)) !== null) {
      changed = true;
    }
  }
  return changed;
}
