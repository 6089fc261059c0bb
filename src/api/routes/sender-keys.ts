/** api/routes/sender-keys — DKIM keys of a sender: add, activate, retire. Rotation without a gap. */
import { z } from '@hono/zod-openapi';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { DKIM_ALGORITHMS } from '../../campaigns/senders/dkim-keys.ts';
import {
  activateSenderKey,
  addSenderKey,
  listSenderKeys,
  retireSenderKey,
} from '../../campaigns/senders/rotation.ts';
import type { SenderKey } from '../../campaigns/senders/rotation.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import {
  instant,
  instantOrNull,
  iso,
  json,
  jsonBody,
  lineOf,
  pathId,
  requireId,
} from '../schema.ts';
import { DnsRecordSchema } from './senders.ts';

const NewKey = z
  .strictObject({
    algorithm: z.enum(DKIM_ALGORITHMS).openapi({ example: 'ed25519-sha256' }),
    selector: lineOf(63).min(1).nullable().default(null).openapi({
      description: 'One DNS label; null: a random one',
    }),
  })
  .openapi('NewSenderKey', { example: { algorithm: 'ed25519-sha256', selector: null } });

const Activation = z
  .strictObject({
    unseen: z.boolean().default(false).openapi({
      description: 'Without looking whether the record is published',
    }),
  })
  .openapi('SenderKeyActivation', { example: { unseen: false } });

const KeySchema = z
  .object({
    selector: z.string(),
    algorithm: z.enum(DKIM_ALGORITHMS),
    state: z.enum(['pending', 'active', 'retired']),
    dns_record: DnsRecordSchema,
    created_at: instant,
    retired_at: instantOrNull,
    remove_record_after: instantOrNull.openapi({
      description: 'Of a retired key: mail that it signed may be on its way until then',
    }),
  })
  .openapi('SenderKey');

const keyPath = pathId('snd').extend({
  selector: z
    .string()
    .openapi({ param: { name: 'selector', in: 'path' }, example: 'volley-2f9c01ab-ed' }),
});

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/senders/{id}/keys',
    tags: ['Senders'],
    summary: 'List the DKIM keys of a sender',
    request: { params: pathId('snd') },
    responses: {
      200: { description: 'Oldest first', content: json(z.object({ data: z.array(KeySchema) })) },
    },
  },
);

const add = endpoint(
  { scope: 'admin', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/senders/{id}/keys',
    tags: ['Senders'],
    summary: 'Add a DKIM key',
    description: 'It is `pending` and signs nothing: publish `dns_record`, then activate it.',
    request: { params: pathId('snd'), body: jsonBody(NewKey) },
    responses: { 201: { description: 'The key', content: json(KeySchema) } },
  },
);

const activate = endpoint(
  { scope: 'admin', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/senders/{id}/keys/{selector}/activate',
    tags: ['Senders'],
    summary: 'Activate a DKIM key',
    description:
      'It signs from now on, beside the others. Refused while its record is not in the DNS.',
    request: { params: keyPath, body: jsonBody(Activation) },
    responses: { 200: { description: 'The key', content: json(KeySchema) } },
  },
);

const retire = endpoint(
  { scope: 'admin', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/senders/{id}/keys/{selector}/retire',
    tags: ['Senders'],
    summary: 'Retire a DKIM key',
    description:
      'It signs no more; keep its record until `remove_record_after`. Refused for the last active key.',
    request: { params: keyPath },
    responses: { 200: { description: 'The key', content: json(KeySchema) } },
  },
);

export function senderKeyRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(list), async (c) => {
    const keys = await listSenderKeys(deps, requireId('snd', c.req.valid('param').id));
    return c.json({ data: keys.map(present) }, 200);
  });
  router.openapi(gate(add), async (c) => {
    const id = requireId('snd', c.req.valid('param').id);
    return c.json(present(await addSenderKey(deps, id, c.req.valid('json'))), 201);
  });
  router.openapi(gate(activate), async (c) => {
    const { id, selector } = c.req.valid('param');
    const { unseen } = c.req.valid('json');
    const key = await activateSenderKey(deps, requireId('snd', id), selector, unseen);
    return c.json(present(key), 200);
  });
  router.openapi(gate(retire), async (c) => {
    const { id, selector } = c.req.valid('param');
    return c.json(present(await retireSenderKey(deps, requireId('snd', id), selector)), 200);
  });
  return router;
}

function present(key: SenderKey): z.infer<typeof KeySchema> {
  return {
    selector: key.selector,
    algorithm: key.algorithm,
    state: key.state,
    dns_record: key.dnsRecord,
    created_at: key.createdAt.toISOString(),
    retired_at: iso(key.retiredAt),
    remove_record_after: iso(key.removeRecordAfter),
  };
}
