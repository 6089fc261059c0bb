/**
 * cli/range — `volley range`: the practice mail world by itself, for trying a server against it.
 */
import { Command } from 'commander';
import { systemClock } from '../kernel/clock.ts';
import { startRange } from '../range/range.ts';
import { interrupted } from './signals.ts';
import type { ExitNow } from './signals.ts';
import { formatTable, print, printJson } from './table.ts';

const EXAMPLES = `
Example (two terminals):
  npm run -s volley -- range --bounce-to 127.0.0.1:2525
  VOLLEY_DNS_SERVER=127.0.0.1:… VOLLEY_SMTP_PORT=… npm start`;

export function rangeCommand(exitNow: ExitNow): Command {
  return new Command('range')
    .description('run the practice mail world: DNS and receivers on loopback, nothing leaves')
    .option('--bounce-to <address>', 'where late bounces go, host:port', '127.0.0.1:2525')
    .option('--seed <number>', 'the same seed behaves the same', '1')
    .option('--json', 'print the addresses as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: { bounceTo: string; seed: string; json?: true }) => {
      const stop = interrupted(exitNow);
      const at = options.bounceTo.lastIndexOf(':');
      const bounceTarget = {
        host: options.bounceTo.slice(0, at),
        port: Number(options.bounceTo.slice(at + 1)),
      };
      const range = await startRange({
        seed: Number(options.seed),
        bounceTarget,
        now: systemClock,
      });
      try {
        const { dnsServer, smtpPort, domains } = range;
        if (options.json === true) printJson({ dnsServer, smtpPort, domains });
        else {
          print(`VOLLEY_DNS_SERVER=${dnsServer} VOLLEY_SMTP_PORT=${smtpPort}\n`);
          const rows = domains.map(({ domain, routing, hosts }) => [
            domain,
            routing,
            hosts.flatMap((host) => host.addresses).join(' '),
          ]);
          print(formatTable(['DOMAIN', 'ROUTING', 'ADDRESSES'], rows));
        }
        await stop;
      } finally {
        await range.stop();
      }
    });
}
