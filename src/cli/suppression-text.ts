/** cli/suppression-text — suppressions as rows for people, and as objects for JSON. */
import type { Suppression } from '../bounce/suppressions/suppression.ts';
import type { CheckedAddress, History } from '../bounce/suppressions/suppressions.ts';
import { formatId } from '../kernel/ids.ts';
import { formatTable } from './table.ts';

const MAX_EVIDENCE = 60;

/** The names of the API. */
export function entryObject(row: Suppression): Record<string, string | null> {
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
    expires_at: row.expiresAt?.toISOString() ?? null,
    released_at: row.releasedAt?.toISOString() ?? null,
    released_by: row.releasedBy,
  };
}

export function entryTable(rows: readonly Suppression[]): string {
  if (rows.length === 0) return 'none';
  const cells = rows.map((row) => [
    row.addressKey,
    row.reason,
    scopeOf(row),
    row.origin,
    moment(row.createdAt),
    until(row),
    row.createdBy ?? '',
    shorten(row.evidence ?? ''),
  ]);
  return formatTable(
    ['ADDRESS', 'REASON', 'SCOPE', 'ORIGIN', 'SINCE', 'UNTIL', 'BY', 'EVIDENCE'],
    cells,
  );
}

export function checkTable(rows: readonly CheckedAddress[]): string {
  const cells = rows.map((row) => [row.email, stateOf(row), row.suppressions.map(why).join(', ')]);
  return formatTable(['ADDRESS', 'STATE', 'WHY'], cells);
}

function stateOf(row: CheckedAddress): string {
  if (row.invalid !== null) return `no address: it ${row.invalid}`;
  if (row.erased) return 'erased';
  return row.suppressed ? 'suppressed' : 'free';
}

function why(row: Suppression): string {
  return `${row.reason} (${scopeOf(row)})`;
}

export function historyObject(found: History): Record<string, unknown> {
  const { watch } = found;
  return {
    email: found.addressKey,
    suppressed: found.suppressed,
    erased_at: found.erasedAt?.toISOString() ?? null,
    suppressions: found.suppressions.map(entryObject),
    watch:
      watch === null
        ? null
        : {
            state: watch.state,
            since: watch.since.toISOString(),
            due_at: watch.dueAt.toISOString(),
            class: watch.class,
            evidence: watch.evidence,
          },
    soft_bounces: found.softBounces,
    notices: found.notices.map((notice) => ({
      kind: notice.kind,
      sent_at: notice.createdAt.toISOString(),
      campaign_id: formatId('cmp', notice.campaignId),
    })),
  };
}

export function historyText(found: History): string {
  const { watch, erasedAt } = found;
  const lines = [`${found.addressKey}: ${found.suppressed ? 'suppressed' : 'not suppressed'}`];
  if (erasedAt !== null) lines.push(`erased ${moment(erasedAt)}`);
  if (watch !== null) {
    lines.push(`${watch.state} since ${moment(watch.since)}, next step ${moment(watch.dueAt)}`);
  }
  if (found.suppressions.length > 0) lines.push('', entryTable(found.suppressions));
  if (found.softBounces.length > 0) {
    const cells = found.softBounces.map((row) => [
      row.day,
      row.kind,
      row.class,
      row.count,
      shorten(row.evidence ?? ''),
    ]);
    lines.push('', formatTable(['DAY', 'KIND', 'CLASS', 'SOFT BOUNCES', 'EVIDENCE'], cells));
  }
  if (found.notices.length > 0) {
    const cells = found.notices.map((row) => [moment(row.createdAt), row.kind]);
    lines.push('', formatTable(['SENT', 'NOTICE'], cells));
  }
  return lines.join('\n');
}

function scopeOf(row: Suppression): string {
  return row.scopeValue === '' ? row.scope : `${row.scope} ${row.scopeValue}`;
}

function until(row: Suppression): string {
  if (row.releasedAt !== null) return `${moment(row.releasedAt)} (${row.releasedBy ?? ''})`;
  return row.expiresAt === null ? 'released' : moment(row.expiresAt);
}

/** To the minute, UTC. */
function moment(date: Date): string {
  return date.toISOString().slice(0, 16).replace('T', ' ');
}

function shorten(text: string): string {
  return text.length <= MAX_EVIDENCE ? text : `${text.slice(0, MAX_EVIDENCE - 1)}…`;
}
