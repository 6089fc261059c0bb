/**
 * campaigns/campaigns — making and reading campaigns.
 *
 * Promises: the content is fixed when the campaign is made: a template's content never changes, inline
 *           content is stored as a row of its own. `single_copy` is only taken for content that is the
 *           same for everybody; in a marketing campaign its unsubscribe link names the batch, and the
 *           page behind it asks for the address.
 * Fails:    `invalid_request`, `template_invalid`, `content_varies` (names the variables), `not_found`.
 * See:      lifecycle.ts (start, pause, resume, cancel), audience.ts (recipients), mode.ts (auto).
 */
import { AppError, invalidValue } from '../kernel/errors.ts';
import type { Db } from '../kernel/postgres/connect.ts';
import { toCampaign } from './campaign.ts';
import type { AmbiguityPolicy, Campaign, CampaignState, Stream } from './campaign.ts';
import type { CampaignDeps } from './deps.ts';
import type { DeliveryMode } from './mode.ts';
import { checkName } from './name.ts';
import { toPage } from './page.ts';
import type { Page, PageRequest } from './page.ts';
import { selectSender } from './senders/store.ts';
import { insertCampaign, selectCampaign, selectCampaigns } from './store.ts';
import { compileContent } from './templates/compile.ts';
import type { ContentInput } from './templates/compile.ts';
import { insertContent, selectTemplate } from './templates/store.ts';
import type { NewContent } from './templates/store.ts';

export type { Campaign };

/** Exactly one of `templateId` and `content`. */
export interface CampaignInput {
  name: string;
  senderId: bigint;
  templateId?: bigint | null;
  content?: ContentInput | null;
  stream: Stream;
  mode: DeliveryMode;
  ttlSeconds: number;
  ambiguityPolicy: AmbiguityPolicy;
  /** As the sender wants it when null or absent. */
  requireTls?: boolean | null;
}

/** Thirty days: no retry makes sense after it, and DSN tokens are kept longer. */
const MAX_TTL_SECONDS = 2_592_000;

export async function createCampaign(deps: CampaignDeps, input: CampaignInput): Promise<Campaign> {
  const { templateId = null, content = null } = input;
  const name = checkName(input.name);
  if ((templateId === null) === (content === null)) {
    throw invalidValue('/template_id', 'give either a template or inline content');
  }
  const ttl = input.ttlSeconds;
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > MAX_TTL_SECONDS) {
    throw invalidValue('/ttl_seconds', `must be between 1 and ${MAX_TTL_SECONDS}`);
  }
  const sender = await selectSender(deps.sql, input.senderId);
  if (sender === undefined) throw invalidValue('/sender_id', 'there is no such sender');
  const inline = content === null ? null : await compileContent(deps.convert, content, '/content');
  return deps.sql.begin(async (tx) => {
    const chosen =
      inline === null ? await templateContent(tx, templateId) : await storeContent(tx, inline);
    if (input.mode === 'single_copy') refuseVarying(chosen.variables);
    const id = await insertCampaign(tx, {
      name,
      senderId: input.senderId,
      contentId: chosen.id,
      stream: input.stream,
      mode: input.mode,
      ttlSeconds: ttl,
      ambiguityPolicy: input.ambiguityPolicy,
      requireTls: input.requireTls ?? sender.requireTls,
    });
    return readCampaign(tx, id);
  });
}

export async function getCampaign(deps: CampaignDeps, id: bigint): Promise<Campaign> {
  return readCampaign(deps.sql, id);
}

/** Newest first. */
export async function listCampaigns(
  deps: CampaignDeps,
  page: PageRequest,
  filter: { state?: CampaignState | undefined } = {},
): Promise<Page<Campaign>> {
  const rows = toPage(await selectCampaigns(deps.sql, page, filter.state), page.limit);
  return { ...rows, data: rows.data.map(toCampaign) };
}

async function readCampaign(db: Db, id: bigint): Promise<Campaign> {
  const row = await selectCampaign(db, id);
  if (row === undefined) throw new AppError('not_found', 'no such campaign');
  return toCampaign(row);
}

interface ChosenContent {
  id: bigint;
  variables: string[];
}

async function templateContent(db: Db, templateId: bigint | null): Promise<ChosenContent> {
  const template = templateId === null ? undefined : await selectTemplate(db, templateId);
  if (template === undefined) throw invalidValue('/template_id', 'there is no such template');
  return { id: template.contentId, variables: template.variables };
}

async function storeContent(db: Db, content: NewContent): Promise<ChosenContent> {
  return { id: await insertContent(db, content), variables: content.variables };
}

function refuseVarying(variables: readonly string[]): void {
  if (variables.length === 0) return;
  const names = variables.map((name) => `{{${name}}}`).join(', ');
  throw new AppError(
    'content_varies',
    `one copy for all cannot carry ${names}; use mode parallel or auto, or take them out`,
    { extra: { variables: [...variables] } },
  );
}
