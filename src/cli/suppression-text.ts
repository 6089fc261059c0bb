/** cli/suppression-text — suppressions as rows for people; as JSON they are what the API answers. */
import type { Suppression } from '../bounce/suppressions/suppression.ts';
import type { CheckedAddress, History } from '../bounce/suppressions/suppressions.ts';
import { formatTable } from './table.ts';

const MAX_EVIDENCE = 60;

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
