/**
 * bench/resolve — distinct domains resolved in a second, MX and addresses, from one local server.
 *
 * Nothing is in the cache, one domain of a hundred has a server that never answers, and beside it a
 * hot domain is asked for every 5 ms whose answer is always just out of date: its waits are the
 * figures.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createDnsClient } from '../../src/mta/dns.ts';
import { createResolver } from '../../src/mta/resolver.ts';
import type { Resolver } from '../../src/mta/resolver.ts';
import { perSecond, sample } from '../harness/bench.ts';
import type { Bench, Prepared, Sample } from '../harness/bench.ts';
import { startDns } from '../harness/dns.ts';
import { quantile } from '../harness/rounds.ts';
import type { Settings } from '../harness/settings.ts';
import { measureShared } from '../harness/usage.ts';

const DOMAINS = 100_000;
/** As many destinations are in work at one time, by default. */
const AT_ONE_TIME = 500;
const HOT_EVERY_MS = 5;
/** The shortest an answer lives is 60 s: so much faster does the resolver's clock run. */
const CLOCK_FACTOR = 120;
const DEAD_TIMEOUT_MS = 1_000;

export const resolve: Bench = {
  name: 'resolve',
  measures: 'distinct domains resolved (MX, A, AAAA), none in the cache, 1 % never answered',
  headline: perSecond('domains'),
  variants: (settings) => [settings],
  describe: ({ n }) => ({ domains: n ?? DOMAINS }),
  prepare,
  bars: ({ contenders }) => [
    {
      what: 'domains/s',
      want: 500,
      better: 'higher',
      got: contenders[0]?.headline.median ?? null,
    },
    {
      // "Without holding up hot domains" has no figure: this one is ours.
      what: 'ms a hot domain waits (p99)',
      want: 50,
      better: 'lower',
      got: contenders[0]?.figures.hotP99Ms ?? null,
    },
  ],
};

async function prepare(settings: Settings): Promise<Prepared> {
  const n = settings.n ?? DOMAINS;
  const dns = await startDns();
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: (round) => run(dns.port, n, round) }],
    notes: [`${n} domains, ${AT_ONE_TIME} at one time`],
    close: () => dns.stop(),
  };
}

async function run(port: number, n: number, round: number): Promise<Sample> {
  const resolver = createResolver({
    dns: createDnsClient({ servers: [{ host: '127.0.0.1', port }], timeoutMs: DEAD_TIMEOUT_MS }),
    smtpPort: 25,
    ownNames: () => [],
    allowPrivate: true,
    nowMs: () => performance.now() * CLOCK_FACTOR,
    random: Math.random,
  });
  const wrong: string[] = [];
  await lookUp(resolver, 'hot.example');
  const hot = watchHot(resolver);
  const taken = await measureShared(() => resolveAll(resolver, n, round, wrong));
  const waits = await hot.stop();
  return sample(taken.count, taken.seconds, {
    ...taken,
    figures: { hotP99Ms: quantile(waits, 0.99), hotMaxMs: quantile(waits, 1) },
    faults: wrong.slice(0, 5),
  });
}

async function resolveAll(
  resolver: Resolver,
  n: number,
  round: number,
  wrong: string[],
): Promise<number> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < n) {
      const i = next++;
      const dead = i % 100 === 99;
      const domain = `${dead ? 'dead' : 'd'}${round}-${i}.example`;
      const found = await lookUp(resolver, domain);
      const expected = dead ? 'dns_temporary' : `mx.${domain} 127.0.0.1`;
      if (found !== expected) wrong.push(`${domain}: ${found}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONE_TIME }, lane));
  return n;
}

async function lookUp(resolver: Resolver, domain: string): Promise<string> {
  const route = await resolver.route(domain);
  if (!route.ok) return route.failure;
  const name = route.hosts[0]?.name ?? '';
  const found = await resolver.addresses(name);
  return `${name} ${found.ok ? found.addresses.join(' ') : found.failure}`;
}

function watchHot(resolver: Resolver): { stop(): Promise<number[]> } {
  const waits: number[] = [];
  const end = { asked: false };
  const watching = (async () => {
    while (!end.asked) {
      const beganMs = performance.now();
      await lookUp(resolver, 'hot.example');
      waits.push(performance.now() - beganMs);
      await sleep(HOT_EVERY_MS);
    }
  })();
  return {
    async stop() {
      end.asked = true;
      await watching;
      return waits;
    },
  };
}
