/**
 * campaigns/audience/row — one row of an upload: a recipient, or why not. Pure.
 *
 * Promises: `address` can stand in RCPT TO, `name` is one line without control characters, `variables`
 *           is JSON that PostgreSQL takes, at most 200 of them, 5 deep, 64 KiB. Nothing is repaired
 *           beyond trimming: a wrong row is reported, not guessed at.
 * Why numbers over 2^53 are refused: JSON would round an account number, and the statement would show
 *           another one. Written as a string it is safe.
 */
import { parseAddress } from '../../kernel/address.ts';
import { RESERVED_VARIABLES } from '../templates/syntax.ts';

export const MAX_ROW_BYTES = 65_536;

export interface RecipientRow {
  address: string;
  addressKey: string;
  domain: string;
  name: string | null;
  /** JSON text of an object; null when there are no variables. */
  variables: string | null;
}

export interface RowFault {
  /** What was wrong, cut to 320 characters. */
  input: string;
  code:
    | 'invalid_email'
    | 'invalid_name'
    | 'invalid_variable'
    | 'invalid_json'
    | 'wrong_column_count'
    | 'duplicate';
  reason: string;
}

export type CheckedRow = { ok: true; row: RecipientRow } | { ok: false; fault: RowFault };

const MAX_NAME_CHARS = 200;
const MAX_VARIABLES = 200;
const MAX_DEPTH = 5;
const MAX_INPUT_CHARS = 320;
const MAX_VARIABLE_NAME_CHARS = 100;
const CONTROL = /[\p{Cc}\u2028\u2029]/u;
const FORBIDDEN_NAME = /^(?:__.*|constructor|prototype)$/;

export function faultOf(code: RowFault['code'], input: string, reason: string): CheckedRow {
  const shown = input.slice(0, MAX_INPUT_CHARS).toWellFormed().replaceAll('\0', '\ufffd');
  return { ok: false, fault: { input: shown, code, reason } };
}

/** Why a column or key cannot name a variable; null when it can. */
export function variableNameFault(name: string): string | null {
  if (name === '') return 'has no name';
  if (name.length > MAX_VARIABLE_NAME_CHARS) return 'has a name that is too long';
  if (CONTROL.test(name) || !name.isWellFormed()) return 'has a control character in its name';
  if (FORBIDDEN_NAME.test(name)) return `may not be named "${name}"`;
  if (RESERVED_VARIABLES.some((reserved) => reserved === name)) {
    return `"${name}" is set by Volley and cannot be uploaded`;
  }
  return null;
}

/** `variables` is called only when address and name are good; it answers JSON text, or a fault. */
export function checkRow(
  email: string,
  name: string,
  variables: () => { ok: true; json: string | null } | { ok: false; reason: string },
): CheckedRow {
  const address = parseAddress(email);
  if (!address.ok) return faultOf('invalid_email', email, `the address ${address.reason}`);
  const trimmed = name.trim();
  if (CONTROL.test(trimmed) || !trimmed.isWellFormed()) {
    return faultOf('invalid_name', name, 'the name contains a control character');
  }
  if (trimmed.length > MAX_NAME_CHARS) {
    return faultOf('invalid_name', name, `the name is longer than ${MAX_NAME_CHARS} characters`);
  }
  const rest = variables();
  if (!rest.ok) return faultOf('invalid_variable', email, rest.reason);
  return {
    ok: true,
    row: {
      address: address.value.address,
      addressKey: address.value.key,
      domain: address.value.domain,
      name: trimmed === '' ? null : trimmed,
      variables: rest.json,
    },
  };
}

type Values = { ok: true; json: string | null } | { ok: false; reason: string };

/** Column readers of a CSV with this header; a reason when the header cannot be used. */
export function csvRowReader(
  header: readonly string[],
): { ok: true; read: (cells: readonly string[]) => CheckedRow } | { ok: false; reason: string } {
  const names = header.map((cell) => cell.trim());
  const isColumn = (wanted: string) => (name: string) => name.toLowerCase() === wanted;
  const email = names.findIndex(isColumn('email'));
  const name = names.findIndex(isColumn('name'));
  if (email < 0) return { ok: false, reason: 'has no column "email"' };
  if (new Set(names.map((text) => text.toLowerCase())).size < names.length) {
    return { ok: false, reason: 'names a column twice' };
  }
  if (names.length > MAX_VARIABLES + 2) {
    return { ok: false, reason: `has more than ${MAX_VARIABLES} variables` };
  }
  const variables = names.flatMap((text, index) =>
    index === email || index === name ? [] : [{ index, text, prefix: `${JSON.stringify(text)}:` }],
  );
  for (const { text, index } of variables) {
    const reason = variableNameFault(text);
    if (reason !== null) return { ok: false, reason: `column ${index + 1} ${reason}` };
  }
  const read = (cells: readonly string[]): CheckedRow => {
    if (cells.length !== names.length) {
      const reason = `the row has ${cells.length} columns, the header ${names.length}`;
      return faultOf('wrong_column_count', cells[email] ?? '', reason);
    }
    return checkRow(cells[email] ?? '', cells[name] ?? '', (): Values => {
      if (variables.length === 0) return { ok: true, json: null };
      const parts: string[] = [];
      for (const { index, text, prefix } of variables) {
        const value = cells[index] ?? '';
        if (value.includes('\0')) return { ok: false, reason: `"${text}" contains a NUL` };
        parts.push(prefix + JSON.stringify(value));
      }
      return { ok: true, json: `{${parts.join(',')}}` };
    });
  };
  return { ok: true, read };
}

/** One line of NDJSON. */
export function readJsonRow(line: string): CheckedRow {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return faultOf('invalid_json', line, 'the line is no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return faultOf('invalid_json', line, 'the line is no JSON object');
  }
  const { email, name, ...rest } = value as Record<string, unknown>;
  if (typeof email !== 'string') return faultOf('invalid_email', line, '"email" is no string');
  if (name !== undefined && name !== null && typeof name !== 'string') {
    return faultOf('invalid_name', line, '"name" is no string');
  }
  return checkRow(email, name ?? '', (): Values => {
    const entries = Object.entries(rest);
    if (entries.length === 0) return { ok: true, json: null };
    if (entries.length > MAX_VARIABLES) {
      return { ok: false, reason: `the row has more than ${MAX_VARIABLES} variables` };
    }
    for (const [key, item] of entries) {
      const nameFault = variableNameFault(key);
      if (nameFault !== null) return { ok: false, reason: `a variable ${nameFault}` };
      const valueFault = jsonFault(item, 1);
      if (valueFault !== null) return { ok: false, reason: `"${key}" ${valueFault}` };
    }
    return { ok: true, json: JSON.stringify(rest) };
  });
}

function jsonFault(value: unknown, depth: number): string | null {
  if (typeof value === 'string') {
    return value.includes('\0') || !value.isWellFormed()
      ? 'contains a NUL or half a character'
      : null;
  }
  if (typeof value === 'number') {
    const rounded = Number.isInteger(value) && !Number.isSafeInteger(value);
    return rounded ? 'is a number that JSON rounds; write it as a string' : null;
  }
  if (typeof value !== 'object' || value === null) return null;
  if (depth >= MAX_DEPTH) return `is nested more than ${MAX_DEPTH} deep`;
  for (const [key, item] of Object.entries(value)) {
    if (FORBIDDEN_NAME.test(key)) return `has a member that may not be named "${key}"`;
    const fault = jsonFault(key, depth) ?? jsonFault(item, depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}
