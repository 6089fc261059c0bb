/**
 * range/sender — the least that a correct sender does, to hold the range to its predictions.
 *
 * MX with fallback to the next host and to the address, EHLO with fallback to HELO, pipelining where
 * it is offered, one outcome per recipient and attempt. No queue: the test calls again.
 */
import { askUdp, query, RawClient } from './client.ts';
import type { Range } from '../../src/range/range.ts';

export type Attempt = 'accepted' | 'rejected' | 'deferred' | 'ambiguous';

type Route = { kind: 'hosts'; addresses: string[] } | { kind: 'failed'; attempt: Attempt };

const failed = (attempt: Attempt): Route => ({ kind: 'failed', attempt });

async function addressesOf(range: Range, host: string): Promise<string[]> {
  const replies = await Promise.all([
    askUdp(range.dnsServer, query(host, 'A')),
    askUdp(range.dnsServer, query(host, 'AAAA')),
  ]);
  return replies.flatMap((reply) =>
    (reply?.answers ?? []).flatMap((item) =>
      item.type === 'A' || item.type === 'AAAA' ? [item.data] : [],
    ),
  );
}

async function route(range: Range, domain: string): Promise<Route> {
  const reply = await askUdp(range.dnsServer, query(domain, 'MX'));
  const code = reply === null ? 'SILENT' : (reply as { rcode?: string }).rcode;
  if (code === 'NXDOMAIN') return failed('rejected');
  if (code !== 'NOERROR') return failed('deferred');
  const records = (reply?.answers ?? []).flatMap((item) => (item.type === 'MX' ? [item.data] : []));
  if (records.some((item) => item.exchange === '.')) return failed('rejected');
  records.sort((a, b) => (a.preference ?? 0) - (b.preference ?? 0));
  const hosts = records.length === 0 ? [domain] : records.map((item) => item.exchange);
  const addresses = await Promise.all(hosts.map((host) => addressesOf(range, host)));
  return { kind: 'hosts', addresses: addresses.flat() };
}

/** A greeted session and whether it may pipeline; null when no host will have us. */
async function open(
  addresses: readonly string[],
  port: number,
): Promise<{ client: RawClient; pipelining: boolean } | null> {
  for (const address of addresses) {
    const client = await RawClient.to(address, port).catch(() => null);
    if (client === null) continue;
    const greeting = await client.reply();
    if (greeting?.startsWith('220') !== true) {
      client.close();
      continue;
    }
    const ehlo = await client.say('EHLO sender.example');
    if (ehlo?.startsWith('250') === true) {
      return { client, pipelining: ehlo.includes('PIPELINING') };
    }
    await client.say('HELO sender.example');
    return { client, pipelining: false };
  }
  return null;
}

/** Providers say 5xx for a rate: that one is not for good. */
function judge(reply: string): Attempt {
  if (reply.startsWith('2')) return 'accepted';
  return reply.startsWith('4') || /frequency limited/.test(reply) ? 'deferred' : 'rejected';
}

async function converse(
  client: RawClient,
  pipelining: boolean,
  sender: string,
  recipients: readonly string[],
  content: string,
): Promise<Map<string, Attempt>> {
  const outcomes = new Map<string, Attempt>(recipients.map((item) => [item, 'deferred']));
  const commands = [`MAIL FROM:<${sender}>`, ...recipients.map((item) => `RCPT TO:<${item}>`)];
  if (pipelining) client.write(`${commands.join('\r\n')}\r\n`);
  const next = async (command: string): Promise<string | null> =>
    pipelining ? client.reply() : client.say(command);

  await next(commands[0] ?? '');
  const taken: string[] = [];
  for (const recipient of recipients) {
    const reply = await next(`RCPT TO:<${recipient}>`);
    if (reply === null || reply.startsWith('421')) return outcomes;
    if (reply.startsWith('2')) taken.push(recipient);
    else outcomes.set(recipient, judge(reply));
  }
  if (taken.length === 0) {
    await client.say('RSET');
    return outcomes;
  }
  const data = await client.say('DATA');
  if (data?.startsWith('354') !== true) return outcomes;
  const dot = await client.say(`${content}.`);
  for (const recipient of taken) outcomes.set(recipient, dot === null ? 'ambiguous' : judge(dot));
  return outcomes;
}

/** One attempt for recipients of one domain. */
export async function attempt(
  range: Range,
  domain: string,
  transactions: readonly { sender: string; recipients: readonly string[]; content: string }[],
): Promise<Map<string, Attempt>> {
  const all = new Map<string, Attempt>();
  const way = await route(range, domain);
  let session: Awaited<ReturnType<typeof open>> = null;
  for (const { sender, recipients, content } of transactions) {
    const missing = way.kind === 'failed' ? way.attempt : 'deferred';
    for (const recipient of recipients) all.set(recipient, missing);
    if (way.kind === 'failed') continue;
    session ??= await open(way.addresses, range.smtpPort);
    if (session === null) continue;
    const { client, pipelining } = session;
    const outcomes = await converse(client, pipelining, sender, recipients, content);
    for (const [recipient, outcome] of outcomes) all.set(recipient, outcome);
    // A host that closed is found out by the next command; a fresh session costs little here.
    if ([...outcomes.values()].some((outcome) => outcome !== 'accepted')) {
      client.close();
      session = null;
    }
  }
  session?.client.close();
  return all;
}
