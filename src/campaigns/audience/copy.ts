/**
 * campaigns/audience/copy — checked rows as lines of PostgreSQL's COPY text format. Pure.
 *
 * Columns: row_number, address, address_key, domain, name, variables, hashes, input, code, reason. A row
 * has either the first half or the second.
 */
import type { CheckedRow } from './row.ts';

const NULL = '\\N';
const SPECIAL = /[\\\b\f\n\r\t\v]/g;
const NEEDS_ESCAPE = /[\\\b\f\n\r\t\v]/;
const ESCAPES: Record<string, string> = {
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** `hashes`: of the address, when somebody was erased (bounce/erasure/erased.ts); hex. */
export function copyLine(
  rowNumber: number,
  checked: CheckedRow,
  hashes: readonly string[] | null,
): string {
  if (checked.ok) {
    const { address, addressKey, domain, name, variables } = checked.row;
    return `${rowNumber}\t${field(address)}\t${field(addressKey)}\t${domain}\t${field(name)}\t${field(variables)}\t${hashes === null ? NULL : `{${hashes.join(',')}}`}\t\\N\t\\N\t\\N\n`;
  }
  const { input, code, reason } = checked.fault;
  return `${rowNumber}\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t${field(input)}\t${code}\t${field(reason)}\n`;
}

function field(value: string | null): string {
  if (value === null) return NULL;
  if (!NEEDS_ESCAPE.test(value)) return value;
  return value.replace(SPECIAL, (character) => ESCAPES[character] ?? character);
}
