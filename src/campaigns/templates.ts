/**
 * campaigns/templates — named content: stored compiled, shown as a preview.
 *
 * Promises: a template is immutable; what a campaign was made with is what it sends. Everything that
 *           could fail for all recipients fails here, when the template is stored.
 * Fails:    `template_invalid` with a line and a reason per fault; `not_found`.
 * See:      templates/syntax.ts for the language, templates/compile.ts for the limits.
 */
import { AppError } from '../kernel/errors.ts';
import type { CampaignDeps } from './deps.ts';
import { checkName } from './name.ts';
import { toPage } from './page.ts';
import type { Page, PageRequest } from './page.ts';
import { subjectLine } from './source/subject.ts';
import { compileContent } from './templates/compile.ts';
import type { ContentInput } from './templates/compile.ts';
import { compileTemplate, missingVariables, RenderError } from './templates/render.ts';
import type { Variables } from './templates/render.ts';
import {
  insertContent,
  insertTemplate,
  selectTemplate,
  selectTemplates,
} from './templates/store.ts';
import type { TemplateRow, TemplateSummaryRow } from './templates/store.ts';

export type { ContentInput, Variables };
export type TemplateInput = { name: string } & ContentInput;
/** With its bodies. */
export type Template = TemplateRow;
/** As lists show it. */
export type TemplateSummary = TemplateSummaryRow;

export interface Preview {
  subject: string;
  html: string;
  text: string;
  /** Variables the content uses and the request did not bring. */
  missing: string[];
}

/** Where `{{unsubscribe_url}}` leads in a preview: nowhere. */
const PREVIEW_UNSUBSCRIBE_URL = 'https://unsubscribe.invalid/';

export async function createTemplate(deps: CampaignDeps, input: TemplateInput): Promise<Template> {
  const name = checkName(input.name);
  const content = await compileContent(deps.convert, input);
  return deps.sql.begin(async (tx) => {
    const contentId = await insertContent(tx, content);
    const id = await insertTemplate(tx, name, contentId);
    return requireTemplate(await selectTemplate(tx, id));
  });
}

export async function getTemplate(deps: CampaignDeps, id: bigint): Promise<Template> {
  return requireTemplate(await selectTemplate(deps.sql, id));
}

/** Newest first. */
export async function listTemplates(
  deps: CampaignDeps,
  page: PageRequest,
): Promise<Page<TemplateSummary>> {
  return toPage(await selectTemplates(deps.sql, page), page.limit);
}

export async function previewTemplate(
  deps: CampaignDeps,
  id: bigint,
  input: { variables: Variables },
): Promise<Preview> {
  const template = requireTemplate(await selectTemplate(deps.sql, id));
  const variables = { unsubscribe_url: PREVIEW_UNSUBSCRIBE_URL, ...input.variables };
  try {
    return {
      subject: subjectLine(compileTemplate(template.subject, 'none')(variables)),
      html: compileTemplate(template.html, 'html')(variables),
      text: compileTemplate(template.text, 'none')(variables),
      missing: missingVariables(template.variables, variables),
    };
  } catch (error) {
    if (error instanceof RenderError) throw new AppError('template_invalid', error.message);
    throw error;
  }
}

function requireTemplate(row: TemplateRow | undefined): Template {
  if (row === undefined) throw new AppError('not_found', 'no such template');
  return row;
}
