/** cli/who — what the audit says of a person at the command line. */
import { userInfo } from 'node:os';

export function whoIAm(): string {
  return `cli:${userInfo().username}`;
}
