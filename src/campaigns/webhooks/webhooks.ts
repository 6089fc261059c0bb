/**
 * campaigns/webhooks/webhooks — who is told of alarms and pauses, as operators set it.
 *
 * Promises: the secret is shown once, at creation, and sealed at rest.
 * Fails:    `invalid_request` with a pointer; `conflict` over 100 webhooks; `not_found`.
 */
import { randomBytes } from 'node:crypto';
import { AppError, invalidValue } from '../../kernel/errors.ts';
import { deriveKey, seal } from '../../kernel/secrets.ts';
import type { CampaignDeps } from '../deps.ts';
import { toPage } from '../page.ts';
import type { Page, PageRequest } from '../page.ts';
import { WEBHOOK_EVENTS } from './fact.ts';
import type { WebhookEvent } from './fact.ts';
import { formatSecret, isSecret } from './signature.ts';
import {
  countWebhooks,
  deleteWebhookById,
  insertWebhook,
  selectDeliveries,
  selectWebhook,
  selectWebhooks,
} from './store.ts';
import type { WebhookDeliveryRow, WebhookRow } from './store.ts';
import { targetProblem } from './target.ts';

export type Webhook = Omit<WebhookRow, 'secretSealed'>;

export interface WebhookInput {
  url: string;
  /** Empty: all of them. */
  events: readonly WebhookEvent[];
  /** null: one is made. */
  secret: string | null;
}

type Deps = Pick<CampaignDeps, 'sql'>;
const MAX_WEBHOOKS = 100;
const SECRET_BYTES = 32;

export async function createWebhook(
  { sql, secret }: Pick<CampaignDeps, 'sql' | 'secret'>,
  input: WebhookInput,
): Promise<{ webhook: Webhook; secret: string }> {
  const problem = targetProblem(input.url);
  if (problem !== null) throw invalidValue('/url', problem);
  if (input.secret !== null && !isSecret(input.secret)) {
    throw invalidValue('/secret', 'must be whsec_ and the base64 of 24 to 64 bytes');
  }
  const own = input.secret ?? formatSecret(randomBytes(SECRET_BYTES));
  const events = input.events.length === 0 ? WEBHOOK_EVENTS : new Set(input.events);
  return sql.begin(async (tx) => {
    if ((await countWebhooks(tx)) >= MAX_WEBHOOKS) {
      throw new AppError('conflict', `there are ${MAX_WEBHOOKS} webhooks already: remove some`);
    }
    const row = await insertWebhook(tx, {
      url: input.url,
      secretSealed: seal(deriveKey(secret, 'webhooks-at-rest'), own),
      events: [...events],
    });
    return { webhook: withoutSecret(row), secret: own };
  });
}

/** Newest first. */
export async function listWebhooks({ sql }: Deps, page: PageRequest): Promise<Page<Webhook>> {
  const rows = toPage(await selectWebhooks(sql, page), page.limit);
  return { ...rows, data: rows.data.map(withoutSecret) };
}

/** Answers what it was. */
export async function deleteWebhook({ sql }: Deps, id: bigint): Promise<Webhook> {
  const row = await deleteWebhookById(sql, id);
  if (row === undefined) throw new AppError('not_found', 'no such webhook');
  return withoutSecret(row);
}

/** What it was told, newest first, for 30 days. */
export async function listWebhookDeliveries(
  { sql }: Deps,
  webhookId: bigint,
  page: PageRequest,
): Promise<Page<WebhookDeliveryRow>> {
  if ((await selectWebhook(sql, webhookId)) === undefined) {
    throw new AppError('not_found', 'no such webhook');
  }
  return toPage(await selectDeliveries(sql, webhookId, page), page.limit);
}

function withoutSecret({ secretSealed: _, ...webhook }: WebhookRow): Webhook {
  return webhook;
}
