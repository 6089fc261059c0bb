/**
 * cli/source — `volley source`: the addresses mail is sent from, in pools.
 *
 * Calls the same use cases as the API; a running server follows within a second.
 */
import { Command, Option } from 'commander';
import {
  createSource,
  deleteSource,
  listSources,
  PROXY_TYPES,
} from '../campaigns/routing/sources.ts';
import type { ProxyType, SourceAddress, SourceInput } from '../campaigns/routing/sources.ts';
import { AppError } from '../kernel/errors.ts';
import { formatId } from '../kernel/ids.ts';
import { DEFAULT_POOL } from '../mta/source.ts';
import { formatEndpoint, parseEndpoint } from '../mta/transport.ts';
import { idArgument } from './id-argument.ts';
import { readSecret } from './secret-file.ts';
import { formatTable, print, printJson } from './table.ts';
import { withSecrets } from './with-secrets.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- source add 192.0.2.10 --helo out1.example.com
  npm run -s volley -- source add 192.0.2.11 --pool statements --weight 3
  npm run -s volley -- source add --pool abroad --socks5 proxy.example.com:1080
  npm run -s volley -- source list`;

const LISTED = 1_000;

interface AddOptions {
  pool: string;
  helo?: string;
  weight: number;
  socks5?: string;
  proxyV1?: string;
  proxyV2?: string;
  user?: string;
  secretFile?: string;
}

export function sourceCommand(): Command {
  const command = new Command('source')
    .description('addresses to send from: list, add, remove')
    .addHelpText('after', EXAMPLES);
  addList(command);
  addAdd(command);
  command
    .command('remove <id>')
    .description('its connections end after the message they are at')
    .action(async (text: string) => {
      await withSecrets(async ({ sql }) => {
        await deleteSource({ sql }, idArgument('src', text));
        print(`${text} removed`);
      });
    });
  return command;
}

function addList(command: Command): void {
  command
    .command('list')
    .description('all of them')
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }) => {
      await withSecrets(async ({ sql }) => {
        const { data } = await listSources({ sql }, { limit: LISTED, after: null });
        const rows = data.map(describe);
        if (options.json === true) printJson(rows);
        else {
          const cells = rows.map((row) => Object.values(row));
          print(formatTable(['ID', 'POOL', 'ADDRESS', 'HELO', 'WEIGHT', 'PROXY'], cells));
        }
      });
    });
}

function describe(source: SourceAddress): Record<string, string | number | null> {
  const { proxyType, proxyHost: host, proxyPort: port } = source;
  const proxied = proxyType !== null && host !== null && port !== null;
  return {
    id: formatId('src', source.id),
    pool: source.pool,
    address: source.address,
    helo: source.heloName,
    weight: source.weight,
    proxy: proxied ? `${proxyType} ${formatEndpoint({ host, port })}` : null,
  };
}

function addAdd(command: Command): void {
  command
    .command('add')
    .argument('[address]', 'of this machine, or of the proxy')
    .description('one row; used within a second')
    .option('--pool <name>', 'which pool', DEFAULT_POOL)
    .option('--helo <name>', 'name in EHLO')
    .option('--weight <number>', 'how often it is its turn', Number, 1)
    .addOption(
      new Option('--socks5 <host:port>', 'connect through it').conflicts(['proxyV1', 'proxyV2']),
    )
    .addOption(new Option('--proxy-v1 <host:port>', 'a HAProxy').conflicts('proxyV2'))
    .option('--proxy-v2 <host:port>', 'a HAProxy')
    .option('--user <name>', 'log in at the SOCKS proxy')
    .option('--secret-file <path>', 'its password; - is standard input')
    .action(async (address: string | undefined, options: AddOptions) => {
      const input = inputOf(address, options);
      await withSecrets(async ({ sql, secrets }) => {
        const source = await createSource({ sql, ...secrets }, input);
        print(`${formatId('src', source.id)} ${source.pool} ${source.address ?? 'by proxy'}`);
      });
    });
}

function inputOf(address: string | undefined, options: AddOptions): SourceInput {
  return {
    pool: options.pool,
    address: address ?? null,
    heloName: options.helo ?? null,
    weight: options.weight,
    proxy: proxyOf(options),
  };
}

function proxyOf(options: AddOptions): SourceInput['proxy'] {
  const given: Record<ProxyType, string | undefined> = {
    socks5: options.socks5,
    proxy_v1: options.proxyV1,
    proxy_v2: options.proxyV2,
  };
  const type = PROXY_TYPES.find((name) => given[name] !== undefined);
  const { user, secretFile } = options;
  if ((user === undefined) !== (secretFile === undefined)) {
    throw new AppError('invalid_request', '--user and --secret-file go together');
  }
  if (type === undefined) {
    if (user !== undefined) throw new AppError('invalid_request', '--user needs --socks5');
    return null;
  }
  const endpoint = parseEndpoint(given[type] ?? '');
  if (endpoint === null) throw new AppError('invalid_request', 'a proxy must be host:port');
  const login =
    user === undefined || secretFile === undefined
      ? null
      : { user, secret: readSecret(secretFile) };
  return { type, ...endpoint, login };
}
