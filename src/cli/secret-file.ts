/** cli/secret-file — a secret from a file or from standard input, for commands that store one. */
import { readFileSync } from 'node:fs';
import { AppError, messageOf } from '../kernel/errors.ts';

/** Without the line break at its end. `-`: standard input. */
export function readSecret(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new AppError('invalid_request', `cannot read the secret: ${messageOf(error)}`);
  }
}
