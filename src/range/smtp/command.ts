/**
 * range/smtp/command — a command line as a plain value (RFC 5321 4.1, 3461, 6531, 3030).
 *
 * Pure. Promises: no control character gets through in an address or a parameter; regular
 *           expressions are linear in the line, whose length is bounded by smtp/input.
 * Fails:    with `syntax`, a value.
 */
export type Parameters = ReadonlyMap<string, string>;

export type Command =
  | { kind: 'ehlo' | 'helo'; name: string }
  | { kind: 'mail' | 'rcpt'; address: string; parameters: Parameters }
  | { kind: 'bdat'; sizeBytes: number; last: boolean }
  | { kind: 'data' | 'rset' | 'noop' | 'quit' | 'vrfy' | 'help' | 'starttls' }
  | { kind: 'syntax'; text: string }
  | { kind: 'unknown'; verb: string };

const PATH = /^(?:FROM|TO):[ ]?<((?:"(?:[^"\\]|\\.)*"|[^"<>])*)>(?: +(.*))?$/i;
const CONTROL = /[\u0000-\u001f\u007f]/;
const BDAT = /^(\d{1,10})( +LAST)?$/i;

function path(kind: 'mail' | 'rcpt', rest: string): Command {
  const match = PATH.exec(rest);
  const prefix = kind === 'mail' ? 'FROM:' : 'TO:';
  if (match === null || !rest.toUpperCase().startsWith(prefix)) {
    return { kind: 'syntax', text: `expected ${kind.toUpperCase()} ${prefix}<address>` };
  }
  const parameters = new Map<string, string>();
  for (const word of (match[2] ?? '').split(' ')) {
    if (word === '') continue;
    const at = word.indexOf('=');
    if (at < 0) parameters.set(word.toUpperCase(), '');
    else parameters.set(word.slice(0, at).toUpperCase(), word.slice(at + 1));
  }
  return { kind, address: match[1] ?? '', parameters };
}

export function parseCommand(line: string): Command {
  if (CONTROL.test(line)) return { kind: 'syntax', text: 'control character in a command' };
  const space = line.indexOf(' ');
  const verb = (space < 0 ? line : line.slice(0, space)).toUpperCase();
  const rest = space < 0 ? '' : line.slice(space + 1).trim();
  switch (verb) {
    case 'MAIL':
      return path('mail', rest);
    case 'RCPT':
      return path('rcpt', rest);
    case 'EHLO':
    case 'HELO':
      if (rest === '') return { kind: 'syntax', text: `${verb} needs a name` };
      return { kind: verb === 'EHLO' ? 'ehlo' : 'helo', name: rest };
    case 'BDAT': {
      const match = BDAT.exec(rest);
      if (match === null) return { kind: 'syntax', text: 'expected BDAT size [LAST]' };
      return { kind: 'bdat', sizeBytes: Number(match[1]), last: match[2] !== undefined };
    }
    case 'DATA':
    case 'RSET':
    case 'QUIT':
    case 'STARTTLS':
      if (rest !== '') return { kind: 'syntax', text: `${verb} takes no argument` };
      return { kind: simple(verb) };
    case 'NOOP':
      return { kind: 'noop' };
    case 'VRFY':
      return { kind: 'vrfy' };
    case 'HELP':
      return { kind: 'help' };
    default:
      return { kind: 'unknown', verb: verb.slice(0, 20) };
  }
}

function simple(verb: 'DATA' | 'RSET' | 'QUIT' | 'STARTTLS') {
  return verb.toLowerCase() as 'data' | 'rset' | 'quit' | 'starttls';
}

/** RFC 3461 xtext; null when it is none or holds what may not stand in a header. */
export function decodeXtext(text: string): string | null {
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/.test(text)) return null;
  const plain = text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return CONTROL.test(plain) ? null : plain;
}
