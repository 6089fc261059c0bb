/** What the tests of this room begin with: deps on a real database, a sender, a draft campaign. */
import type { Campaign } from '../../src/campaigns/campaign.ts';
import { createCampaign } from '../../src/campaigns/campaigns.ts';
import type { CampaignInput } from '../../src/campaigns/campaigns.ts';
import type { CampaignDeps } from '../../src/campaigns/deps.ts';
import { createSender } from '../../src/campaigns/senders.ts';
import { uploadRecipients } from '../../src/campaigns/audience.ts';
import type { UploadReport } from '../../src/campaigns/audience.ts';
import { createConverter } from '../../src/campaigns/templates/converter.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';

export const SECRET = 'a secret for tests, longer than 32 characters';

export interface RecordedJobs {
  expansions: bigint[];
  cancellations: bigint[];
}

/** Jobs are recorded, not run: these tests look at what was asked for. */
export function testDeps(sql: Sql): CampaignDeps & { asked: RecordedJobs } {
  const asked: RecordedJobs = { expansions: [], cancellations: [] };
  return {
    sql,
    clock: systemClock,
    secret: SECRET,
    previousSecrets: [],
    convert: createConverter(),
    lookupTxt: async () => ({ status: 'none' }),
    jobs: {
      enqueueExpansion: async (_tx, id) => void asked.expansions.push(id),
      enqueueCancellation: async (_tx, id) => void asked.cancellations.push(id),
    },
    asked,
  };
}

export async function makeSender(deps: CampaignDeps, unsubscribeBaseUrl: string | null = null) {
  return createSender(deps, {
    fromAddress: 'news@shop.example',
    displayName: 'The Shop',
    bounceDomain: 'bounce.shop.example',
    unsubscribeBaseUrl,
  });
}

const usual = new WeakMap<Sql, Promise<bigint>>();

/** Making RSA keys takes 200 ms, so campaigns share a sender unless a test brings its own. */
function usualSender(deps: CampaignDeps): Promise<bigint> {
  const known = usual.get(deps.sql) ?? makeSender(deps).then(({ id }) => id);
  usual.set(deps.sql, known);
  return known;
}

export async function makeCampaign(
  deps: CampaignDeps,
  changes: Partial<CampaignInput> = {},
): Promise<Campaign> {
  return createCampaign(deps, {
    name: 'March',
    senderId: changes.senderId ?? (await usualSender(deps)),
    content: { subject: 'Hello', format: 'html', source: '<p>Hello</p>', text: null },
    stream: 'transactional',
    mode: 'auto',
    ttlSeconds: 3_600,
    ambiguityPolicy: 'hold',
    ...changes,
  });
}

export async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part;
}

export async function uploadCsv(
  deps: CampaignDeps,
  campaignId: bigint,
  csv: string,
): Promise<UploadReport> {
  return uploadRecipients(deps, campaignId, chunks(csv), { format: 'csv', gzip: false });
}
