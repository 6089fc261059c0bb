/**
 * mta/tls/rpt-post — hands a TLS report to a web server (RFC 8460 5.4): POST, application/tlsrpt+gzip.
 *
 * Promises: only addresses that the resolver gives are spoken to, so a stranger's record cannot make
 *           us speak to our own network. No redirect is followed; at most 30 seconds; of the answer
 *           only the status counts, at most 64 KiB of it are read. The certificate must verify: RFC
 *           8460 lets us pass over that, but what hosts we speak to is the domain's own business.
 * Fails:    with the reason as a value; null: it was taken.
 */
import { ask, drain, patienceOf } from '../../kernel/ask.ts';
import { messageOf } from '../../kernel/errors.ts';

export interface PostOptions {
  addresses: readonly string[];
  /** PEM; null: the system's authorities. */
  ca: readonly string[] | null;
  timeoutMs?: number;
  /** Ends it early. */
  signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 65_536;

export async function postReport(
  url: string,
  body: Uint8Array,
  options: PostOptions,
): Promise<string | null> {
  if (options.addresses.length === 0) return 'the host has no address we may speak to';
  try {
    const { addresses, ca, timeoutMs = TIMEOUT_MS } = options;
    const signal = patienceOf(timeoutMs, options.signal);
    const headers = { 'content-type': 'application/tlsrpt+gzip' };
    const response = await ask(new URL(url), { addresses, headers, body, ca, signal });
    const status = response.statusCode ?? 0;
    await drain(response, MAX_ANSWER_BYTES);
    return status >= 200 && status < 300 ? null : `HTTP status ${status}`;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    return (code === '' ? messageOf(error) : code).slice(0, 200);
  }
}
