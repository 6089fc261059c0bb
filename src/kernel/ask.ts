/**
 * kernel/ask — one HTTP request to a server that a stranger named.
 *
 * Promises: only the addresses that the caller has checked are connected to, with no look-up of its own
 *           in between, so a name cannot lead into our own network. Certificates verify, no redirect is
 *           followed, no connection is kept.
 * Fails:    rejects as the socket does, and when the signal ends it.
 * See:      mta/tls/sts-fetch.ts, mta/tls/rpt-post.ts, campaigns/webhooks/post.ts.
 */
import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';

export interface Asking {
  /** Checked by the caller. */
  addresses: readonly string[];
  headers: Readonly<Record<string, string>>;
  /** Absent: GET; else POST. */
  body?: Uint8Array | string;
  /** PEM; null: the system's authorities. */
  ca?: readonly string[] | null;
  signal: AbortSignal;
}

/** The answer's body must be read or destroyed. */
export function ask(url: URL, asking: Asking): Promise<IncomingMessage> {
  const { addresses, headers, body, ca = null, signal } = asking;
  // Of an address in the URL itself nobody looks anything up.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !addresses.includes(host)) {
    return Promise.reject(new Error('the address in the URL was not checked'));
  }
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    request(
      url,
      {
        method: body === undefined ? 'GET' : 'POST',
        lookup: answering(addresses),
        agent: false,
        minVersion: 'TLSv1.2',
        rejectUnauthorized: true,
        headers: { ...headers, ...length, 'user-agent': 'Volley' },
        signal,
        ...(ca === null ? {} : { ca: [...ca] }),
      },
      resolve,
    )
      .on('error', reject)
      .end(body);
  });
}

/** Of an answer whose status is all that counts. */
export async function drain(response: IncomingMessage, maxBytes: number): Promise<void> {
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) break;
  }
  response.destroy();
}

/** Ends after `timeoutMs`, or with the caller's own signal. */
export function patienceOf(timeoutMs: number, signal: AbortSignal | undefined): AbortSignal {
  const patience = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? patience : AbortSignal.any([patience, signal]);
}

/** net.connect asks for one address or for all. */
function answering(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, options, callback) => {
    const [first] = all;
    if (first === undefined) callback(new Error('no address'), '', 4);
    else if (options.all === true) callback(null, all);
    else callback(null, first.address, first.family);
  };
}
