/**
 * mta/tls/sts-policy — the texts of MTA-STS (RFC 8461): the TXT record, the policy file, MX patterns.
 *
 * Pure. Promises: bounded: a policy is at most 64 KiB with 200 MX patterns, max_age at most a year.
 *           What the RFC lets stand there beside is passed over (unknown fields, a second field of a
 *           name); what it does not is no policy.
 * Fails:    with the reason, for the report to the domain.
 */
export const MAX_POLICY_BYTES = 65_536;
const MAX_PATTERNS = 200;
/** RFC 8461 3.2. */
const MAX_AGE_SECONDS = 31_557_600;

export interface StsPolicy {
  domain: string;
  /** Of the TXT record it was fetched for. */
  id: string;
  mode: 'enforce' | 'testing' | 'none';
  /** Lower case; `*.x.example` stands for one label. */
  mx: readonly string[];
  fetchedAt: Date;
  expiresAt: Date;
}

/** The id, or null: RFC 8461 3.1 wants exactly one record that begins with the version. */
export function parseStsRecord(texts: readonly string[]): string | null {
  const records = texts.filter((text) => /^v=STSv1\s*;/.test(text));
  const [record] = records;
  if (record === undefined || records.length > 1) return null;
  const id = record.split(';').find((field) => /^\s*id\s*=/.test(field));
  const value = id?.slice(id.indexOf('=') + 1).trim() ?? '';
  return /^[A-Za-z0-9]{1,32}$/.test(value) ? value : null;
}

export type ParsedPolicy =
  | { ok: true; mode: StsPolicy['mode']; mx: string[]; maxAgeSeconds: number }
  | { ok: false; reason: string };

export function parseStsPolicy(text: string): ParsedPolicy {
  const fields = new Map<string, string>();
  const mx: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon < 1) continue;
    const name = line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    if (name === 'mx') mx.push(value.toLowerCase().replace(/\.$/, ''));
    else if (!fields.has(name)) fields.set(name, value);
  }
  const wrong = (reason: string): ParsedPolicy => ({ ok: false, reason });
  if (fields.get('version') !== 'STSv1') return wrong('version is not STSv1');
  const mode = fields.get('mode');
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return wrong('no known mode');
  const age = fields.get('max_age') ?? '';
  if (!/^\d{1,10}$/.test(age)) return wrong('no max_age');
  if (mode !== 'none' && mx.length === 0) return wrong('no mx');
  if (mx.length > MAX_PATTERNS) return wrong('too many mx');
  if (!mx.every(isPattern)) return wrong('an mx that is no name');
  return { ok: true, mode, mx, maxAgeSeconds: Math.min(Number(age), MAX_AGE_SECONDS) };
}

function isPattern(text: string): boolean {
  return text.length <= 253 && /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(text);
}

/** RFC 8461 4.1: a wildcard is the whole first label, and stands for exactly one. */
export function matchesMx(patterns: readonly string[], host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const dot = name.indexOf('.');
  const parent = dot < 1 ? null : name.slice(dot);
  return patterns.some((pattern) =>
    pattern.startsWith('*.') ? parent !== null && pattern.slice(1) === parent : pattern === name,
  );
}

/** As the reports show it (RFC 8460 4.4, policy-string). */
export function describeSts({ mode, mx, fetchedAt, expiresAt }: StsPolicy): string[] {
  const seconds = Math.round((expiresAt.getTime() - fetchedAt.getTime()) / 1_000);
  return [
    'version: STSv1',
    `mode: ${mode}`,
    ...mx.map((pattern) => `mx: ${pattern}`),
    `max_age: ${seconds}`,
  ];
}
