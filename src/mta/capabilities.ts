/**
 * mta/capabilities — what a receiver offers in its EHLO reply.
 *
 * Pure (RFC 5321 4.1.1.1). Keywords are case-insensitive, the order is free, unknown ones are passed
 * over, the last of a repeated keyword counts. A parameter that is no number counts as absent: a
 * broken advertisement must not stop the mail.
 */
export interface Limits {
  /** RFC 9422: transactions in one session. */
  mailMax: number | null;
  /** RFC 9422: RCPT commands in one transaction. */
  rcptMax: number | null;
  rcptDomainMax: number | null;
}

export interface Capabilities {
  pipelining: boolean;
  startTls: boolean;
  /** RFC 1870; null: not offered, 0: offered without a limit. */
  sizeLimitBytes: number | null;
  eightBitMime: boolean;
  dsn: boolean;
  smtpUtf8: boolean;
  chunking: boolean;
  enhancedStatusCodes: boolean;
  requireTls: boolean;
  xverp: boolean;
  auth: readonly string[];
  limits: Limits;
}

const NO_LIMITS: Limits = { mailMax: null, rcptMax: null, rcptDomainMax: null };

/** After HELO: nothing is offered. */
export const NO_CAPABILITIES: Capabilities = {
  pipelining: false,
  startTls: false,
  sizeLimitBytes: null,
  eightBitMime: false,
  dsn: false,
  smtpUtf8: false,
  chunking: false,
  enhancedStatusCodes: false,
  requireTls: false,
  xverp: false,
  auth: [],
  limits: NO_LIMITS,
};

/** `lines` of a 250 reply to EHLO; the first is the receiver's name. */
export function parseCapabilities(lines: readonly string[]): Capabilities {
  const offered = new Map<string, readonly string[]>();
  for (const line of lines.slice(1)) {
    const [keyword = '', ...parameters] = line.trim().split(/[\s=]+/);
    offered.set(keyword.toUpperCase(), parameters);
  }
  const size = offered.get('SIZE');
  return {
    pipelining: offered.has('PIPELINING'),
    startTls: offered.has('STARTTLS'),
    sizeLimitBytes: size === undefined ? null : (count(size[0]) ?? 0),
    eightBitMime: offered.has('8BITMIME'),
    dsn: offered.has('DSN'),
    smtpUtf8: offered.has('SMTPUTF8'),
    chunking: offered.has('CHUNKING'),
    enhancedStatusCodes: offered.has('ENHANCEDSTATUSCODES'),
    requireTls: offered.has('REQUIRETLS'),
    xverp: offered.has('XVERP'),
    auth: (offered.get('AUTH') ?? []).map((name) => name.toUpperCase()),
    limits: parseLimits(lines.find((line) => /^\s*LIMITS\s/i.test(line)) ?? ''),
  };
}

function parseLimits(line: string): Limits {
  const values = new Map<string, number | null>();
  for (const word of line.trim().split(/\s+/).slice(1)) {
    const at = word.indexOf('=');
    if (at > 0) values.set(word.slice(0, at).toUpperCase(), count(word.slice(at + 1)));
  }
  const limit = (name: string): number | null => {
    const value = values.get(name) ?? null;
    return value === 0 ? null : value;
  };
  return {
    mailMax: limit('MAILMAX'),
    rcptMax: limit('RCPTMAX'),
    rcptDomainMax: limit('RCPTDOMAINMAX'),
  };
}

function count(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
