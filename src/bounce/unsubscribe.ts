/**
 * bounce/unsubscribe — one click (RFC 8058) and the page behind the link: a signed token, and the
 * recipient gets no more of what he chose.
 *
 * Promises: idempotent: the same again changes nothing and answers the same. Committed when it answers.
 *           Tokens do not expire: a link in a mail of ten years ago still works.
 *           A single-copy message carries a batch token, which does not say who clicked. He is asked
 *           for his address, and a recipient of that batch gets a mail with his own link; so nobody
 *           unsubscribes another. The answer never says whether the address is one.
 * Never:    for a GET: the caller may call this for POST only.
 * Fails:    `unknown` for a forged token, another kind, or a delivery that is not there.
 * See:      findings.ts (what follows; the same for mail to the unsubscribe address), notices.ts.
 */
import { parseAddress } from '../kernel/address.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { unsubscribeAddress } from '../verp/address.ts';
import type { KeyRing } from '../verp/keyring.ts';
import { unsubscribeUrl } from '../verp/link.ts';
import { signToken, verifyToken } from '../verp/token.ts';
import { wished } from './findings.ts';
import type { Wish } from './findings.ts';
import type { Notices } from './notices.ts';
import { recordFacts } from './record.ts';
import { findBatchRecipients, findCampaignSender, findDeliveries } from './store.ts';

export interface UnsubscribeDeps {
  sql: Sql;
  keyRing: KeyRing;
  clock: Clock;
  notices: Notices;
}

export type UnsubscribeResult =
  { outcome: 'unsubscribed'; addressKey: string; stream: string } | { outcome: 'unknown' };

export const PAUSE_DAYS = 30;
const DAY_MS = 86_400_000;
const MAILS_A_DAY = 3;
const MAILS_AN_HOUR = 1_000;

/** The link of one recipient. */
export async function unsubscribeByToken(
  deps: Omit<UnsubscribeDeps, 'notices'>,
  text: string,
  wish: Wish,
): Promise<UnsubscribeResult> {
  const token = verifyToken(deps.keyRing, text);
  if (token?.kind !== 'unsubscribe') return { outcome: 'unknown' };
  return await deps.sql.begin(async (tx) => {
    const [delivery] = await findDeliveries(tx, [token.id]);
    if (delivery === undefined) return { outcome: 'unknown' };
    const at = deps.clock();
    const until = wish.choice === 'pause' ? new Date(at.getTime() + PAUSE_DAYS * DAY_MS) : null;
    await recordFacts(tx, [
      { finding: wished(delivery, wish, until), inboundId: null, campaignId: null, at },
    ]);
    return { outcome: 'unsubscribed', addressKey: delivery.addressKey, stream: delivery.stream };
  });
}

/** In the language of the page; `link` and `sender` are put in. */
export interface ConfirmationWords {
  subject: string;
  text: (sender: string, link: string) => string;
}

/** The link of a single copy: whoever it was sent to gets his own link by mail. Says nothing. */
export async function askByMail(
  deps: UnsubscribeDeps,
  text: string,
  email: string,
  words: ConfirmationWords,
): Promise<void> {
  const token = verifyToken(deps.keyRing, text);
  const address = parseAddress(email);
  if (token?.kind !== 'unsubscribe_batch' || !address.ok) return;
  await deps.sql.begin(async (tx) => {
    const asked = { batchId: token.id, addressKey: address.value.key };
    const [delivery] = await findBatchRecipients(tx, [asked]);
    if (delivery === undefined) return;
    const sender = await findCampaignSender(tx, delivery.campaignId);
    const own = signToken(deps.keyRing, 'unsubscribe', delivery.deliveryId);
    const link =
      sender.unsubscribeBaseUrl === null
        ? `mailto:${unsubscribeAddress(own, sender.bounceDomain)}?subject=unsubscribe`
        : unsubscribeUrl(sender.unsubscribeBaseUrl, own);
    const name = sender.displayName === '' ? sender.fromAddress : sender.displayName;
    await deps.notices.send(tx, {
      kind: 'unsubscribe',
      senderId: sender.senderId,
      notices: [
        {
          to: address.value.address,
          subject: words.subject,
          text: words.text(name, link),
          replyTo: null,
        },
      ],
      perAddressADay: MAILS_A_DAY,
      perHour: MAILS_AN_HOUR,
    });
  });
}
