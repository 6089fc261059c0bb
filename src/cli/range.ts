/**
 * cli/range — `volley range`: the practice mail world by itself, for trying a server against it.
 */
import { Command, InvalidArgumentError } from 'commander';
import { startRange } from '../range/range.ts';
import { interrupted } from './signals.ts';
import type { ExitNow } from './signals.ts';
import { formatTable, print, printJson } from './table.ts';

const EXAMPLES = `
Example (two terminals):
  npm run -s volley -- range
  VOLLEY_DNS_SERVER=127.0.0.1:5300 VOLLEY_SMTP_PORT=2500 VOLLEY_ALLOW_PRIVATE_MX=true npm start`;

interface RangeCommandOptions {
  bounceTo: string;
  dnsPort: number;
  smtpPort: number;
  seed: string;
  json?: true;
}

function port(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw new InvalidArgumentError('0 to 65535');
}

export function rangeCommand(exitNow: ExitNow): Command {
  return new Command('range')
    .description('run the practice mail world: DNS and receivers on loopback, nothing leaves')
    .option('--bounce-to <address>', 'where late bounces go, host:port', '127.0.0.1:2525')
    .option('--dns-port <port>', 'of its DNS server; 0 for a free one', port, 5300)
    .option('--smtp-port <port>', 'of its receivers; 0 for a free one', port, 2500)
    .option('--seed <number>', 'the same seed behaves the same', '1')
    .option('--json', 'print the addresses as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: RangeCommandOptions) => {
      const stop = interrupted(exitNow);
      const at = options.bounceTo.lastIndexOf(':');
      const bounceTarget = {
        host: options.bounceTo.slice(0, at),
        port: Number(options.bounceTo.slice(at + 1)),
      };
      const range = await startRange({ ...options, seed: Number(options.seed), bounceTarget });
      try {
        const { dnsServer, smtpPort, domains } = range;
        if (options.json === true) printJson({ dnsServer, smtpPort, domains });
        else {
          print(
            `VOLLEY_DNS_SERVER=${dnsServer} VOLLEY_SMTP_PORT=${smtpPort} VOLLEY_ALLOW_PRIVATE_MX=true\n`,
          );
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
