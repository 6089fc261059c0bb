/** campaigns/templates/store — SQL of `contents` (immutable) and `templates` (names for them). */
import type { contents, templates } from '../../../drizzle/schema.ts';
import type { Db } from '../../kernel/postgres/connect.ts';
import type { PageRequest } from '../page.ts';

export type ContentRow = typeof contents.$inferSelect;
export type NewContent = Omit<ContentRow, 'id' | 'createdAt'>;
/** A template's name with its content. */
export type TemplateRow = typeof templates.$inferSelect & NewContent;
export type TemplateSummaryRow = Omit<TemplateRow, 'source' | 'html' | 'text'>;

export async function insertContent(db: Db, content: NewContent): Promise<bigint> {
  const [row] = await db<{ id: bigint }[]>`
    insert into contents (subject, format, source, html, text, variables)
    values (${content.subject}, ${content.format}, ${content.source}, ${content.html},
      ${content.text}, ${content.variables})
    returning id`;
  if (row === undefined) throw new Error('insert into contents returned nothing');
  return row.id;
}

export async function insertTemplate(db: Db, name: string, contentId: bigint): Promise<bigint> {
  const [row] = await db<{ id: bigint }[]>`
    insert into templates (name, content_id) values (${name}, ${contentId}) returning id`;
  if (row === undefined) throw new Error('insert into templates returned nothing');
  return row.id;
}

export async function selectTemplate(db: Db, id: bigint): Promise<TemplateRow | undefined> {
  const [row] = await db<TemplateRow[]>`
    select t.*, k.subject, k.format, k.source, k.html, k.text, k.variables
    from templates t join contents k on k.id = t.content_id
    where t.id = ${id}`;
  return row;
}

/** Newest first, without the bodies: a page of them could be 600 MB. */
export async function selectTemplates(db: Db, page: PageRequest): Promise<TemplateSummaryRow[]> {
  return db<TemplateSummaryRow[]>`
    select t.*, k.subject, k.format, k.variables
    from templates t join contents k on k.id = t.content_id
    ${page.after === null ? db`` : db`where t.id < ${page.after}`}
    order by t.id desc
    limit ${page.limit + 1}`;
}
