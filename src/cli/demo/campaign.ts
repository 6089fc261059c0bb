/**
 * cli/demo/campaign — the demo's campaign, made through the API as a customer would.
 */
import { readFileSync } from 'node:fs';
import type { ApiClient } from './client.ts';

export interface DemoCampaign {
  id: string;
  accepted: number;
}

export interface DemoReport {
  balance: {
    recipients: number;
    accepted: number;
    bounced: number;
    expired: number;
    suppressed: number;
    cancelled: number;
    ambiguous: number;
    pending: number;
    bounced_late: number;
    closes: boolean;
  };
  by_class: { class: string; count: number; deferred: number }[];
  by_kind: { deferred: number };
}

const TEMPLATE = new URL('../../../templates/newsletter.mjml', import.meta.url);

export async function createDemoCampaign(
  api: ApiClient,
  rows: Iterable<object>,
  ttlSeconds: number,
): Promise<DemoCampaign> {
  const sender = await api.post<{ id: string }>('/v1/senders', {
    from_address: 'news@shop.example',
    display_name: 'Corner Shop',
    bounce_domain: 'bounce.shop.example',
    unsubscribe_base_url: 'https://shop.example',
  });
  const template = await api.post<{ id: string }>('/v1/templates', {
    name: 'Newsletter',
    subject: '{{name}}, you have {{points}} points',
    format: 'mjml',
    source: readFileSync(TEMPLATE, 'utf8'),
  });
  const campaign = await api.post<{ id: string }>('/v1/campaigns', {
    name: 'Demo',
    sender_id: sender.id,
    template_id: template.id,
    stream: 'marketing',
    ttl_seconds: ttlSeconds,
  });
  const upload = await api.upload<{ accepted: number }>(
    `/v1/campaigns/${campaign.id}/recipients`,
    rows,
  );
  await api.post(`/v1/campaigns/${campaign.id}/start`);
  return { id: campaign.id, accepted: upload.accepted };
}
