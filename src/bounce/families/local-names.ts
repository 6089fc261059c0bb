/**
 * bounce/families/local-names — reports that name their users without the domain.
 *
 * AOL's hosts list `screen names`, one a line, indented, below a sentence that ends with a colon.
 * Everybody there is at aol.com, and the report comes from MAILER-DAEMON@aol.com.
 *
 * Promises: only for reporters in DOMAINS, only names that stand alone in their line.
 */
import { firstAddress } from '../addresses.ts';
import { firstHeader, type Message } from '../message.ts';
import type { TextRecipient } from './text-report.ts';

const DOMAINS: ReadonlySet<string> = new Set(['aol.com', 'aim.com', 'netscape.net']);

export function localNames(message: Message, lines: readonly string[]): TextRecipient[] {
  const from = firstAddress(firstHeader(message.headers, 'from') ?? '') ?? '';
  const domain = from.slice(from.lastIndexOf('@') + 1).toLowerCase();
  if (!DOMAINS.has(domain)) return [];
  const intro = lines.findIndex((line) => line.trimEnd().endsWith(':'));
  if (intro < 0) return [];
  const reason = lines
    .slice(0, intro + 1)
    .join(' ')
    .trim()
    .slice(0, 1_000);
  return lines
    .slice(intro + 1)
    .map((line) => /^\s+([a-z][a-z0-9._-]{1,60})\s*$/i.exec(line)?.[1])
    .filter((name) => name !== undefined)
    .map((name) => ({ recipient: `${name}@${domain}`, reason }));
}
