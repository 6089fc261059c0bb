/** api/routes/routing-schema — how an explanation of a route looks outside. */
import { z } from '@hono/zod-openapi';
import { TRANSPORTS } from '../../campaigns/routing/route-input.ts';
import type { Explanation } from '../../mta/explain.ts';
import { count, instantOrNull, iso } from '../schema.ts';

const HostSchema = z.object({
  name: z.string(),
  port: count,
  preference: count.nullable().openapi({ description: 'null: the route names the host' }),
  addresses: z.array(z.object({ address: z.string(), note: z.string().nullable() })),
  note: z.string().nullable().openapi({ description: 'Why it has no address' }),
});

const SourceSchema = z.object({
  id: z.string(),
  address: z.string().nullable(),
  helo_name: z.string(),
  weight: count,
  proxy: z.string().nullable(),
  dropped_until: instantOrNull.openapi({ description: 'Not used for this destination before' }),
});

export const ExplanationSchema = z
  .object({
    domain: z.string(),
    rule: z
      .object({ id: z.string(), pattern: z.string() })
      .nullable()
      .openapi({ description: 'The rule that wins; null: none, mail goes by MX' }),
    transport: z.enum(TRANSPORTS),
    target: z
      .string()
      .nullable()
      .openapi({ description: 'A host, a socket or a folder; null: the MX hosts' }),
    tls: z.string().nullable(),
    login_user: z.string().nullable(),
    pool: z.string().nullable(),
    sources: z.array(SourceSchema),
    hosts: z.array(HostSchema).openapi({ description: 'In the order they would be tried' }),
    failure: z
      .object({ code: z.string(), text: z.string(), permanent: z.boolean() })
      .nullable()
      .openapi({ description: 'Why mail cannot leave now' }),
    limits: z.object({
      max_connections: count,
      max_messages_per_connection: count,
      max_recipients: count.nullable().openapi({ description: 'Learned from the receiver' }),
      max_messages: count.nullable().openapi({ description: 'Learned from the receiver' }),
    }),
  })
  .openapi('RouteExplanation');

export function presentExplanation(one: Explanation): z.infer<typeof ExplanationSchema> {
  const { limits } = one;
  return {
    domain: one.domain,
    rule: one.rule,
    transport: one.transport,
    target: one.target,
    tls: one.tls,
    login_user: one.loginUser,
    pool: one.pool,
    sources: one.sources.map(({ droppedUntilMs, heloName, ...source }) => ({
      ...source,
      helo_name: heloName,
      dropped_until: iso(droppedUntilMs === null ? null : new Date(droppedUntilMs)),
    })),
    hosts: one.hosts.map((host) => ({ ...host, addresses: [...host.addresses] })),
    failure: one.failure,
    limits: {
      max_connections: limits.maxConnections,
      max_messages_per_connection: limits.maxMessagesPerConnection,
      max_recipients: limits.maxRecipients,
      max_messages: limits.maxMessages,
    },
  };
}
