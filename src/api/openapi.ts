/**
 * api/openapi — the OpenAPI 3.1 document, made from the routes.
 */
import manifest from '../../package.json' with { type: 'json' };
import type { ApiRouter } from './router.ts';

const DESCRIPTION = `
Volley sends campaigns: make a sender and a template, create a campaign, stream its recipients in,
start it, read the report.

Every route but the health checks and the unsubscribe page needs \`Authorization: Bearer vk_...\`.
Scopes: \`read\` < \`send\` < \`admin\`; a higher one includes the lower ones.

Errors are problem documents (RFC 9457) with a stable \`code\`. Lists are keyset pages. A POST that
creates or changes something takes an \`Idempotency-Key\`.
`.trim();

export function documentOf(app: ApiRouter): object {
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'vk_ and 43 characters',
  });
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Volley',
      version: manifest.version,
      description: DESCRIPTION,
      license: { name: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Senders', description: 'Who mail comes from' },
      { name: 'Templates', description: 'What it says' },
      { name: 'Campaigns', description: 'One mailing: content, audience, state' },
      { name: 'Recipients', description: 'Its audience, streamed in' },
      { name: 'Deliveries', description: 'What became of each recipient' },
      { name: 'Reports', description: 'The balance, and why mail bounced' },
      { name: 'Suppressions', description: 'Who gets no more mail, and why' },
      { name: 'Bounces', description: 'What comes back, and how it is understood' },
      { name: 'Health', description: 'For whoever watches the process' },
      { name: 'Unsubscribe', description: 'For recipients; needs no key' },
    ],
  });
}
