/** api/routes/suppression-schema — the words of the suppression routes. */
import { z } from '@hono/zod-openapi';
import { REASONS_BY_STRENGTH, SUPPRESSION_SCOPES } from '../../bounce/suppressions/suppression.ts';
import type { Suppression } from '../../bounce/suppressions/suppression.ts';
import { MAX_ADDRESSES } from '../../bounce/suppressions/suppressions.ts';
import { formatId } from '../../kernel/ids.ts';
import { emailText, idOf, instant, instantOrNull, iso, lineOf, textOf } from '../schema.ts';

export const suppressionFilter = {
  reason: z.enum(REASONS_BY_STRENGTH).optional(),
  scope: z.enum(SUPPRESSION_SCOPES).optional(),
};

export const SuppressionSchema = z
  .object({
    id: idOf('sup'),
    email: z.string().openapi({ description: 'Lower case: what addresses are compared by' }),
    scope: z.enum(SUPPRESSION_SCOPES),
    scope_value: z.string().openapi({
      description:
        'Sender domain; stream of one sender (`shop.example/marketing`) or of all (`marketing`); empty for `global`',
    }),
    reason: z.enum(REASONS_BY_STRENGTH),
    origin: z.enum(['recipient', 'operator', 'import', 'system']),
    class: z.string().nullable().openapi({ description: 'The bounce class that decided' }),
    evidence: z.string().nullable().openapi({ description: 'The reply or note that justifies it' }),
    campaign_id: idOf('cmp').nullable(),
    delivery_id: idOf('dlv').nullable(),
    created_at: instant,
    created_by: z
      .string()
      .nullable()
      .openapi({ description: 'Who added it by hand: `key_…`, or the command line' }),
    expires_at: instantOrNull,
    released_at: instantOrNull,
    released_by: z.string().nullable(),
  })
  .openapi('Suppression');

/** Values are checked one by one, so that a wrong row of a thousand is a result and not an error. */
export const NewSuppression = z.strictObject({
  email: emailText,
  reason: lineOf(40).default('').openapi({ example: 'manual' }),
  scope: lineOf(40).default('').openapi({ example: 'global' }),
  scope_value: lineOf(253).default(''),
  note: textOf(1_000).default('').openapi({ example: 'asked on the phone' }),
  expires_at: lineOf(40).default('').openapi({ example: '2027-01-01T00:00:00Z' }),
});

export const AddRequest = z
  .strictObject({ entries: z.array(NewSuppression).min(1).max(MAX_ADDRESSES) })
  .openapi('AddSuppressions', {
    example: { entries: [{ email: 'ann@example.com', note: 'asked on the phone' }] },
  });

export const AddResult = z
  .object({
    data: z.array(
      z.object({
        email: z.string(),
        status: z.enum(['suppressed', 'invalid']),
        reason: z.string().nullable().openapi({ description: 'Why it is invalid' }),
        suppressions: z
          .array(SuppressionSchema)
          .openapi({ description: 'All live rows of it; none when he was erased' }),
      }),
    ),
  })
  .openapi('AddedSuppressions');

export const CheckRequest = z
  .strictObject({
    emails: z.array(z.string().max(1_000)).min(1).max(MAX_ADDRESSES),
    context: z
      .strictObject({ sender_domain: lineOf(253), stream: lineOf(40) })
      .nullable()
      .default(null)
      .openapi({ description: 'For whom it is asked; without it, rows of every scope count' }),
  })
  .openapi('CheckSuppressions', {
    example: {
      emails: ['ann@example.com'],
      context: { sender_domain: 'example.com', stream: 'marketing' },
    },
  });

export const CheckResult = z
  .object({
    data: z.array(
      z.object({
        email: z.string(),
        invalid: z.string().nullable(),
        suppressed: z.boolean(),
        erased: z
          .boolean()
          .openapi({ description: 'Forgotten on request: only a keyed hash blocks the address' }),
        suppressions: z.array(SuppressionSchema),
      }),
    ),
  })
  .openapi('CheckedSuppressions');

export function presentSuppression(row: Suppression): z.infer<typeof SuppressionSchema> {
  return {
    id: formatId('sup', row.id),
    email: row.addressKey,
    scope: row.scope,
    scope_value: row.scopeValue,
    reason: row.reason,
    origin: row.origin,
    class: row.class,
    evidence: row.evidence,
    campaign_id: row.campaignId === null ? null : formatId('cmp', row.campaignId),
    delivery_id: row.deliveryId === null ? null : formatId('dlv', row.deliveryId),
    created_at: row.createdAt.toISOString(),
    created_by: row.createdBy,
    expires_at: iso(row.expiresAt),
    released_at: iso(row.releasedAt),
    released_by: row.releasedBy,
  };
}
