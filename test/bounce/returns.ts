/**
 * bounce/returns — for the tests of what comes back: a campaign that went out, in the tables, and
 * the messages that the world sends about it.
 */
import { createKeyRing } from '../../src/verp/keyring.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { insertCampaign } from '../harness/rows.ts';

export const BOUNCE_DOMAIN = 'bounce.shop.example';
export const ring = createKeyRing(['a secret of more than thirty-two characters']);

export interface SentCampaign {
  campaignId: bigint;
  batchId: bigint;
  /** In the order of the addresses. */
  deliveryIds: bigint[];
}

let nextDeliveryId = 1n;

/** All deliveries in one batch, in `state`. */
export async function sentCampaign(
  sql: Sql,
  addresses: string[],
  state = 'accepted',
): Promise<SentCampaign> {
  const campaignId = await insertCampaign(sql, { recipients: addresses, state: 'completed' });
  const first = nextDeliveryId;
  nextDeliveryId += BigInt(addresses.length);
  await sql`
    insert into deliveries (id, campaign_id, recipient_id, state)
    select ${first}::bigint + row_number() over (order by id) - 1, ${campaignId}, id, ${state}
    from recipients where campaign_id = ${campaignId}`;
  const [batch] = await sql<{ id: bigint }[]>`
    insert into batches (campaign_id, domain, first_delivery_id, last_delivery_id, state)
    values (${campaignId}, ${addresses[0]?.split('@')[1] ?? ''}, ${first}, ${nextDeliveryId - 1n}, 'done')
    returning id`;
  const deliveryIds = addresses.map((_, i) => first + BigInt(i));
  return { campaignId, batchId: batch!.id, deliveryIds };
}

export interface DsnRecipient {
  recipient: string;
  original?: string;
  action?: string;
  status?: string;
  diagnostic?: string;
}

/** An RFC 3464 report; `mark` makes it another message. */
export function dsn(
  recipients: DsnRecipient[],
  over: { envelopeId?: string; trace?: string; mark?: string } = {},
): string {
  const perRecipient = recipients.map((each) =>
    [
      ...(each.original === undefined ? [] : [`Original-Recipient: rfc822; ${each.original}`]),
      `Final-Recipient: rfc822; ${each.recipient}`,
      `Action: ${each.action ?? 'failed'}`,
      `Status: ${each.status ?? '5.1.1'}`,
      `Diagnostic-Code: smtp; ${each.diagnostic ?? '550 5.1.1 User unknown'}`,
    ].join('\r\n'),
  );
  return [
    'From: MAILER-DAEMON@mx.example',
    'To: sender',
    `Message-ID: <${over.mark ?? 'one'}@mx.example>`,
    'Subject: Delivery Status Notification',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"',
    '',
    '--b1',
    'Content-Type: text/plain',
    '',
    'Your message was not delivered.',
    '--b1',
    'Content-Type: message/delivery-status',
    '',
    ...(over.envelopeId === undefined ? [] : [`Original-Envelope-Id: ${over.envelopeId}`]),
    'Reporting-MTA: dns; mx.example',
    '',
    perRecipient.join('\r\n\r\n'),
    '',
    '--b1',
    'Content-Type: message/rfc822',
    '',
    ...(over.trace === undefined ? [] : [`X-Volley-Trace: ${over.trace}`]),
    'Message-ID: <orig@shop.example>',
    'Subject: News',
    '',
    'Hello',
    '--b1--',
    '',
  ].join('\r\n');
}

/** An RFC 5965 report. */
export function complaint(recipient: string, type = 'abuse', mark = 'one'): string {
  return [
    'From: feedback@mx.example',
    `Message-ID: <fbl-${mark}@mx.example>`,
    'Subject: Abuse report',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=feedback-report; boundary="b1"',
    '',
    '--b1',
    'Content-Type: text/plain',
    '',
    'This is an abuse report.',
    '--b1',
    'Content-Type: message/feedback-report',
    '',
    `Feedback-Type: ${type}`,
    'User-Agent: Test/1',
    'Version: 1',
    `Original-Rcpt-To: ${recipient}`,
    '',
    '--b1',
    'Content-Type: message/rfc822',
    '',
    'Message-ID: <orig@shop.example>',
    'Subject: News',
    '',
    'Hello',
    '--b1--',
    '',
  ].join('\r\n');
}
