/**
 * api/routes/inbound — a message that came back somewhere else, handed in over HTTP.
 *
 * Promises: the same as the bounce listener: 200 after the commit, recorded once however often it is
 *           handed in, only for addresses that we signed. Memory is bounded, whatever the length.
 * Fails:    `invalid_request` for a recipient, or a message, that names nothing of ours.
 */
import { z } from '@hono/zod-openapi';
import { takeIn } from '../../bounce/intake.ts';
import type { Intake } from '../../bounce/intake.ts';
import type { Kept, Reception } from '../../bounce/reception.ts';
import { AppError, invalidValue } from '../../kernel/errors.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { idOf, json, lineOf } from '../schema.ts';
import { atMost, readUpload, uploadBody } from '../upload.ts';

export interface InboundDeps {
  reception: Reception;
  maxInboundBytes: number;
}

const EXAMPLE =
  'From: MAILER-DAEMON@mx.example\r\nTo: b+ceaaaaadqmzwt5@bounce.example.com\r\nSubject: Undelivered\r\n\r\n...';

const InboundResult = z
  .object({
    id: idOf('inb').nullable().openapi({ description: 'null: it had been recorded before' }),
    duplicate: z.boolean(),
    recipient: z.string().openapi({ description: 'The address of ours that it was taken for' }),
    kind: z
      .enum(['bounce', 'feedback', 'autoreply', 'delivered', 'none'])
      .openapi({ description: 'What it is; docs/bounces.md' }),
  })
  .openapi('InboundResult');

const hand = endpoint(
  { scope: 'send', body: 'form' },
  {
    method: 'post',
    path: '/v1/inbound',
    tags: ['Bounces'],
    summary: 'Hand in a message that came back',
    description:
      'The raw message, as a pipe of another mail server or a mailbox gives it. Without `recipient` ' +
      'it is looked for in Delivered-To, X-Original-To, Envelope-To, To and Cc, and in the signed ' +
      'trace of the returned message.',
    request: {
      query: z.strictObject({
        recipient: lineOf(320)
          .optional()
          .openapi({ description: 'Envelope recipient, one of our addresses' }),
        sender: lineOf(320).optional().openapi({ description: 'Envelope sender; absent: <>' }),
      }),
      body: uploadBody({ 'message/rfc822': EXAMPLE }),
    },
    responses: { 200: { description: 'It is recorded', content: json(InboundResult) } },
  },
);

export function inboundRoutes(gate: Gate, deps: InboundDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(hand), async (c) => {
    const { recipient, sender = '' } = c.req.valid('query');
    const { gzip, body } = readUpload(c, ['message/rfc822']);
    if (gzip) throw new AppError('unsupported_media_type', 'send the message as it is, not packed');
    const intake = await takeIn(atMost(body, deps.maxInboundBytes));
    if (intake === null) throw new AppError('upload_aborted', 'the body ended too early');
    const kept =
      recipient === undefined
        ? await deps.reception.keepUnaddressed(intake)
        : await keepFor(deps.reception, intake, sender, recipient);
    if (kept === null) {
      throw new AppError('invalid_request', 'the message names no address that we have signed');
    }
    const { inboundId, destination, inspection } = kept;
    const id = inboundId === null ? null : formatId('inb', inboundId);
    const result = { id, duplicate: id === null, recipient: destination.address };
    return c.json({ ...result, kind: inspection.kind }, 200);
  });
  return router;
}

async function keepFor(
  reception: Reception,
  intake: Intake,
  sender: string,
  recipient: string,
): Promise<Kept | null> {
  const destination = await reception.destinationOf(recipient, sender);
  if (destination === null) throw invalidValue('recipient', 'is no address of ours');
  const [kept] = await reception.keep(intake, sender, [destination]);
  return kept ?? null;
}
