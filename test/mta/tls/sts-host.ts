/**
 * test/mta/tls/sts-host — a web server with a policy, and what the DNS says of it: real HTTPS on
 * loopback, a certificate of an authority that the test trusts or does not.
 */
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAuthority } from '../../../src/kernel/certificate.ts';
import type { Authority } from '../../../src/kernel/certificate.ts';
import { fetchPolicy } from '../../../src/mta/tls/sts-fetch.ts';
import type { Fetched } from '../../../src/mta/tls/sts-fetch.ts';

export const authority: Authority = createAuthority('Test Root', new Date());

export interface StsHost {
  port: number;
  /** Paths asked for. */
  asked: string[];
  /** Answers with this from now on. */
  text: string;
  respond: ((request: IncomingMessage, response: ServerResponse) => void) | null;
  fetch(domain: string, timeoutMs?: number): Promise<Fetched>;
  close(): Promise<void>;
}

export function policyText(mode: string, mx: readonly string[], maxAge = 86_400): string {
  const lines = [`mode: ${mode}`, ...mx.map((name) => `mx: ${name}`), `max_age: ${maxAge}`];
  return ['version: STSv1', ...lines, ''].join('\r\n');
}

/** `domains`: whose policy hosts it is. */
export async function startStsHost(
  domains: readonly string[],
  by: Authority = authority,
): Promise<StsHost> {
  const [first = 'x.test', ...rest] = domains.map((domain) => `mta-sts.${domain}`);
  const { key, cert } = by.issue([first, ...rest]);
  const server = createServer({ key, cert }, (request, response) => {
    host.asked.push(`${request.headers.host ?? ''}${request.url ?? ''}`);
    if (host.respond !== null) host.respond(request, response);
    else response.setHeader('Content-Type', 'text/plain; charset=utf-8').end(host.text);
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const host: StsHost = {
    port,
    asked: [],
    text: '',
    respond: null,
    fetch: (domain, timeoutMs = 5_000) =>
      fetchPolicy(domain, { addresses: ['127.0.0.1'], port, ca: [authority.cert], timeoutMs }),
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return host;
}
