/** campaigns/name — the names people give to senders' campaigns and templates: shown, never parsed. */
import { invalidValue } from '../kernel/errors.ts';

const MAX_LENGTH = 200;
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** Trimmed, or `invalid_request`. */
export function checkName(name: string): string {
  const trimmed = name.trim();
  const reason =
    trimmed === ''
      ? 'is empty'
      : trimmed.length > MAX_LENGTH
        ? `is longer than ${MAX_LENGTH} characters`
        : CONTROL.test(trimmed) || !trimmed.isWellFormed()
          ? 'contains a control character'
          : null;
  if (reason === null) return trimmed;
  throw invalidValue('/name', reason);
}
