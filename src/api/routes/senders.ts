/** api/routes/senders — who campaigns come from, and the DNS records to publish. */
import { z } from '@hono/zod-openapi';
import { createSender, getSender, listSenders } from '../../campaigns/senders.ts';
import type { Sender } from '../../campaigns/senders.ts';
import { DKIM_ALGORITHMS } from '../../campaigns/senders/dkim-keys.ts';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { emailText, idOf, instant, json, jsonBody, lineOf, pathId, requireId } from '../schema.ts';

const NewSender = z
  .strictObject({
    from_address: emailText,
    display_name: lineOf(200).default('').openapi({ example: 'Example Bank' }),
    bounce_domain: lineOf(253).openapi({
      example: 'bounce.example.com',
      description: 'Envelope senders are made under it; must align with the From domain',
    }),
    unsubscribe_base_url: lineOf(500).nullable().default(null).openapi({
      example: 'https://mail.example.com',
      description: 'Unsubscribe links are `<base>/u/<token>`; needed for stream `marketing`',
    }),
    require_tls: z.boolean().default(false).openapi({
      description: 'What its campaigns ask for unless they say otherwise (REQUIRETLS, RFC 8689)',
    }),
    pool: lineOf(32).nullable().default(null).openapi({
      description: 'Of source addresses its mail is sent from, where the route names none',
    }),
    dkim_algorithms: z
      .array(z.enum(DKIM_ALGORITHMS))
      .min(1)
      .max(DKIM_ALGORITHMS.length)
      .refine((all) => new Set(all).size === all.length, 'names an algorithm twice')
      .default([...DKIM_ALGORITHMS])
      .openapi({ description: 'Of the first keys: one each' }),
  })
  .openapi('NewSender', {
    example: {
      from_address: 'news@example.com',
      display_name: 'Example Bank',
      bounce_domain: 'bounce.example.com',
      unsubscribe_base_url: 'https://mail.example.com',
      require_tls: false,
      pool: null,
      dkim_algorithms: [...DKIM_ALGORITHMS],
    },
  });

export const DnsRecordSchema = z.object({
  type: z.enum(['TXT', 'MX']),
  name: z.string(),
  value: z.string(),
  purpose: z.string(),
});

const SenderSchema = z
  .object({
    id: idOf('snd'),
    from_address: z.string(),
    display_name: z.string(),
    domain: z.string().openapi({ description: 'ASCII domain of `from_address`: the DKIM d=' }),
    bounce_domain: z.string(),
    unsubscribe_base_url: z.string().nullable(),
    require_tls: z.boolean(),
    pool: z.string().nullable(),
    dkim_selectors: z.array(z.string()).openapi({ description: 'Of the keys that sign now' }),
    dns_records: z.array(DnsRecordSchema),
    created_at: instant,
  })
  .openapi('Sender');

const create = endpoint(
  { scope: 'admin', idempotent: true },
  {
    method: 'post',
    path: '/v1/senders',
    tags: ['Senders'],
    summary: 'Create a sender',
    description:
      'Generates its DKIM keys, RSA-2048 and Ed25519 (sealed at rest), and answers the DNS records to publish.',
    request: { body: jsonBody(NewSender) },
    responses: { 201: { description: 'The sender', content: json(SenderSchema) } },
  },
);

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/senders',
    tags: ['Senders'],
    summary: 'List senders, newest first',
    request: { query: z.strictObject(pageQuery) },
    responses: { 200: { description: 'A page', content: json(pageOf(SenderSchema)) } },
  },
);

const read = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/senders/{id}',
    tags: ['Senders'],
    summary: 'Read a sender',
    request: { params: pathId('snd') },
    responses: { 200: { description: 'The sender', content: json(SenderSchema) } },
  },
);

export function senderRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(create), async (c) => {
    const body = c.req.valid('json');
    const sender = await createSender(deps, {
      fromAddress: body.from_address,
      displayName: body.display_name,
      bounceDomain: body.bounce_domain,
      unsubscribeBaseUrl: body.unsubscribe_base_url,
      requireTls: body.require_tls,
      pool: body.pool,
      dkimAlgorithms: body.dkim_algorithms,
    });
    const answer = present(sender);
    return c.json(answer, 201, { Location: `${c.req.path}/${answer.id}` });
  });
  router.openapi(gate(list), async (c) => {
    const page = await listSenders(deps, pageRequest('snd', c.req.valid('query')));
    return c.json(pageResponse('snd', page, present), 200);
  });
  router.openapi(gate(read), async (c) => {
    const id = requireId('snd', c.req.valid('param').id);
    return c.json(present(await getSender(deps, id)), 200);
  });
  return router;
}

function present(sender: Sender): z.infer<typeof SenderSchema> {
  return {
    id: formatId('snd', sender.id),
    from_address: sender.fromAddress,
    display_name: sender.displayName,
    domain: sender.domain,
    bounce_domain: sender.bounceDomain,
    unsubscribe_base_url: sender.unsubscribeBaseUrl,
    require_tls: sender.requireTls,
    pool: sender.pool,
    dkim_selectors: sender.dkimSelectors,
    dns_records: sender.dnsRecords,
    created_at: sender.createdAt.toISOString(),
  };
}
