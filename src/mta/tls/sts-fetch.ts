/**
 * mta/tls/sts-fetch — gets a policy file: https://mta-sts.<domain>/.well-known/mta-sts.txt.
 *
 * Promises: (RFC 8461 3.3) the certificate must be for mta-sts.<domain>, from an authority we trust;
 *           no redirect is followed, nothing is cached, only a 200 with text/plain counts. At most
 *           64 KiB and 30 seconds for all of it. Only addresses that the resolver gives are spoken
 *           to, so a stranger's domain cannot make us ask our own network.
 * Fails:    with the problem, for the report to the domain.
 */
import type { IncomingMessage } from 'node:http';
import { ask, patienceOf } from '../../kernel/ask.ts';
import { messageOf } from '../../kernel/errors.ts';
import { certificateProblem, tlsProblem } from './problem.ts';
import type { TlsProblem } from './problem.ts';
import { MAX_POLICY_BYTES } from './sts-policy.ts';

export interface FetchOptions {
  addresses: readonly string[];
  port: number;
  /** PEM; null: the system's authorities. */
  ca: readonly string[] | null;
  timeoutMs?: number;
  /** Ends it early. */
  signal?: AbortSignal;
}

export type Fetched = { ok: true; text: string } | { ok: false; problem: TlsProblem };

const TIMEOUT_MS = 30_000;

export async function fetchPolicy(domain: string, options: FetchOptions): Promise<Fetched> {
  try {
    const { addresses, port, ca, timeoutMs = TIMEOUT_MS } = options;
    const url = new URL(`https://mta-sts.${domain}:${port}/.well-known/mta-sts.txt`);
    const signal = patienceOf(timeoutMs, options.signal);
    return await read(await ask(url, { addresses, headers: { accept: 'text/plain' }, ca, signal }));
  } catch (error) {
    return { ok: false, problem: problemOf(error) };
  }
}

async function read(response: IncomingMessage): Promise<Fetched> {
  const refuse = (detail: string): Fetched => {
    response.destroy();
    return { ok: false, problem: tlsProblem('sts-policy-fetch-error', detail) };
  };
  const { statusCode = 0, headers } = response;
  if (statusCode !== 200) return refuse(`HTTP status ${statusCode}`);
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'text/plain') return refuse(`Content-Type ${headers['content-type'] ?? 'missing'}`);
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_POLICY_BYTES) return refuse(`more than ${MAX_POLICY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return { ok: true, text: Buffer.concat(chunks).toString('utf8') };
}

function problemOf(error: unknown): TlsProblem {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const { type } = certificateProblem(code);
  // Node names all of its certificate errors so that they are told from those of the network.
  const certificate = type !== 'validation-failure' || /CERT/.test(code);
  return certificate
    ? tlsProblem('sts-webpki-invalid', code)
    : tlsProblem('sts-policy-fetch-error', code === '' ? messageOf(error) : code);
}
