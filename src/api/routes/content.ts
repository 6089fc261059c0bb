/** api/routes/content — what a message says, as templates and campaigns take it. */
import { z } from '@hono/zod-openapi';
import { lineOf, textOf } from '../schema.ts';

/** 1 Mi characters: the compiler's own limit is in bytes, and says so better. */
const MAX_SOURCE = 1_048_576;

/** Fields of a template, and of a campaign's `content`. */
export const contentFields = {
  subject: lineOf(500).min(1).openapi({ example: 'Your statement for {{month}}' }),
  format: z.enum(['mjml', 'html']).openapi({ description: 'The language of `source`' }),
  source: textOf(MAX_SOURCE).min(1).openapi({
    example: '<p>Dear {{name}}, your statement is ready.</p>',
    description: 'Handlebars over MJML or HTML; variables are escaped',
  }),
  text: textOf(MAX_SOURCE)
    .nullable()
    .default(null)
    .openapi({ description: 'The text part; made from the HTML when absent' }),
};

export const Content = z.strictObject(contentFields).openapi('Content');
