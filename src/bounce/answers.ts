/**
 * bounce/answers — the mail that Volley writes because of what came in: copies for the postmaster, and
 * answers to list commands (list-answers.ts).
 *
 * Promises: in the transaction that records the message, once per message. A copy shows who wrote and
 *           the message as it came (its first 48 KiB), as plain text: nothing of it is active.
 * Never:    answers or forwards what Volley wrote itself (X-Volley-Trace): no loop, whatever address
 *           copies go to. Never more than FORWARDS_AN_HOUR copies: whoever floods postmaster floods
 *           the table of received messages, not somebody's mailbox.
 * See:      notices.ts (how it is sent), docs/inbound.md.
 */
import type { Tx } from '../kernel/postgres/connect.ts';
import type { Arrival } from './arrival.ts';
import { answerCommand } from './list-answers.ts';
import type { ListDeps } from './list-answers.ts';
import { readMessage } from './message.ts';
import { findSenderOfDomain } from './store.ts';

export interface AnswerDeps extends ListDeps {
  /** null: mail to postmaster and abuse is kept, and that is all. */
  postmasterForwardTo: string | null;
}

const FORWARDS_AN_HOUR = 60;
const SHOWN_BYTES = 49_152;

export function createAnswers(deps: AnswerDeps) {
  return async (tx: Tx, arrivals: readonly Arrival[]): Promise<void> => {
    for (const arrival of arrivals) {
      if (arrival.destination.purpose === 'postmaster') await forward(deps, tx, arrival);
      if (arrival.destination.purpose === 'list') await answerCommand(deps, tx, arrival);
    }
  };
}

async function forward(deps: AnswerDeps, tx: Tx, arrival: Arrival): Promise<void> {
  const { postmasterForwardTo: to, notices } = deps;
  if (to === null || isOurs(arrival)) return;
  const { address, domain } = arrival.destination;
  const sender = await findSenderOfDomain(tx, domain);
  if (sender === null) return;
  const from = arrival.envelopeSender === '' ? 'nobody (<>)' : arrival.envelopeSender;
  const shown = Buffer.from(arrival.raw.subarray(0, SHOWN_BYTES)).toString('utf8');
  await notices.send(tx, {
    kind: 'postmaster',
    senderId: sender.id,
    notices: [
      {
        to,
        subject: `Mail for ${address} from ${from}`,
        text: `${from} wrote to ${address} at ${arrival.receivedAt.toISOString()}:\n\n${plain(shown)}`,
        replyTo: null,
      },
    ],
    perAddressADay: null,
    perHour: FORWARDS_AN_HOUR,
  });
}

function isOurs(arrival: Arrival): boolean {
  return readMessage(arrival.raw).headers.has('x-volley-trace');
}

/** Lines end with LF; no other control character but tab, and no half characters. */
function plain(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, ' ')
    .toWellFormed();
}
