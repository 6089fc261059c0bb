/**
 * cli/route — `volley route`: which domain's mail leaves by which transport, and why.
 *
 * Calls the same use cases as the API; a running server follows within a second. Secrets are read
 * from a file or from standard input, never from the command line, which others can see.
 */
import { Command, Option } from 'commander';
import { readRouting } from '../campaigns/routing/live.ts';
import { createRoute, deleteRoute, listRoutes } from '../campaigns/routing/routes.ts';
import type { Route } from '../campaigns/routing/routes.ts';
import { TLS_MODES, TRANSPORTS } from '../campaigns/routing/route-input.ts';
import type { RouteInput, TransportName } from '../campaigns/routing/route-input.ts';
import { asciiDomain } from '../kernel/address.ts';
import { systemClock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { formatId } from '../kernel/ids.ts';
import { createLogger } from '../kernel/log.ts';
import { createMta } from '../mta/deliver.ts';
import type { Explanation } from '../mta/explain.ts';
import { AUTH_MECHANISMS, formatEndpoint } from '../mta/transport.ts';
import type { AuthMechanism } from '../mta/transport.ts';
import { idArgument } from './id-argument.ts';
import { explanationRows } from './route-text.ts';
import { mtaOptions, routingSourceOf } from './routing.ts';
import { readSecret } from './secret-file.ts';
import { formatTable, print, printJson } from './table.ts';
import { withSecrets } from './with-secrets.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- route add shop.example lmtp --socket /run/dovecot/lmtp
  npm run -s volley -- route add '*' smarthost --host relay.example.com --tls verified --user volley --secret-file -
  npm run -s volley -- route explain shop.example
  npm run -s volley -- route remove rte_0000000000001`;

const LISTED = 10_000;

export function routeCommand(): Command {
  const command = new Command('route')
    .description('where mail goes: list, add, remove, explain')
    .addHelpText('after', EXAMPLES);
  addList(command);
  addAdd(command);
  command
    .command('remove <id>')
    .description('the domain goes by the next closest route, else by MX')
    .action(async (text: string) => {
      await withSecrets(async ({ sql }) => {
        await deleteRoute({ sql }, idArgument('rte', text));
        print(`${text} removed`);
      });
    });
  addExplain(command);
  return command;
}

function addList(command: Command): void {
  command
    .command('list')
    .description('the routes in the database, and those of VOLLEY_ROUTES')
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }) => {
      await withSecrets(async ({ sql, config }) => {
        const page = await listRoutes({ sql }, { limit: LISTED, after: null });
        const fixed = Object.entries(config.routes).map(([pattern, target]) => {
          return { id: 'static', pattern, transport: 'smtp', target, tls: '', user: '', pool: '' };
        });
        const rows = [...fixed, ...page.data.map(describe)];
        if (options.json === true) printJson(rows);
        else {
          const cells = rows.map((row) => Object.values(row));
          print(formatTable(['ID', 'PATTERN', 'TRANSPORT', 'TO', 'TLS', 'USER', 'POOL'], cells));
        }
      });
    });
}

function describe(route: Route): Record<string, string> {
  const { host, port, socketPath, folder, tls, implicitTls } = route;
  const endpoint = host === null || port === null ? null : formatEndpoint({ host, port });
  return {
    id: formatId('rte', route.id),
    pattern: route.pattern,
    transport: route.transport,
    target: endpoint ?? socketPath ?? folder ?? (route.transport === 'smtp' ? 'MX' : ''),
    tls: `${tls ?? ''}${implicitTls ? ' (from the first byte)' : ''}`.trim(),
    user: route.loginUser ?? '',
    pool: route.pool ?? '',
  };
}

interface AddOptions {
  host?: string;
  port?: number;
  socket?: string;
  folder?: string;
  tls?: (typeof TLS_MODES)[number];
  implicitTls?: true;
  user?: string;
  mechanism?: AuthMechanism;
  secretFile?: string;
  pool?: string;
  replace?: true;
}

function addAdd(command: Command): void {
  command
    .command('add')
    .argument('<pattern>', 'a domain, *.domain or *')
    .argument('<transport>', TRANSPORTS.join(' | '))
    .description('one row; live within a second')
    .option('--host <host>', 'smtp, smarthost, lmtp, qmtp')
    .option('--port <port>', '25, 587 (465 with --implicit-tls), 24, 209 when absent', Number)
    .option('--socket <path>', 'lmtp over a Unix socket')
    .option('--folder <path>', 'file: a Maildir below VOLLEY_MAIL_DIR')
    .addOption(new Option('--tls <mode>', 'how it must be protected').choices(TLS_MODES))
    .option('--implicit-tls', 'TLS from the first byte')
    .option('--user <name>', 'log in')
    .addOption(new Option('--mechanism <name>', 'how').choices(AUTH_MECHANISMS))
    .option('--secret-file <path>', 'password or token; - is standard input')
    .option('--pool <name>', 'source addresses')
    .option('--replace', 'in the place of the route of this pattern')
    .action(async (pattern: string, transport: string, options: AddOptions) => {
      const input = inputOf(pattern, transport, options);
      await withSecrets(async ({ sql, secrets }) => {
        const route = await createRoute({ sql, ...secrets }, input, options.replace === true);
        print(`${formatId('rte', route.id)} ${route.pattern} ${route.transport}`);
      });
    });
}

function inputOf(pattern: string, transport: string, options: AddOptions): RouteInput {
  if (!(TRANSPORTS as readonly string[]).includes(transport)) {
    throw new AppError('invalid_request', `transport must be one of ${TRANSPORTS.join(', ')}`);
  }
  const { user, secretFile } = options;
  if ((user === undefined) !== (secretFile === undefined)) {
    throw new AppError('invalid_request', '--user and --secret-file go together');
  }
  const login =
    user === undefined || secretFile === undefined
      ? null
      : { mechanism: options.mechanism ?? null, user, secret: readSecret(secretFile) };
  return {
    pattern,
    transport: transport as TransportName,
    host: options.host ?? null,
    port: options.port ?? null,
    socketPath: options.socket ?? null,
    folder: options.folder ?? null,
    tls: options.tls ?? null,
    implicitTls: options.implicitTls === true,
    login,
    pool: options.pool ?? null,
  };
}

function addExplain(command: Command): void {
  command
    .command('explain <domain>')
    .description('which route, which hosts and addresses, from where, which limits')
    .option('--pool <name>', "the sender's pool of source addresses")
    .option('--json', 'as JSON')
    .action(async (text: string, options: { pool?: string; json?: true }) => {
      const domain = asciiDomain(text.trim());
      if (domain === null) throw new AppError('invalid_request', `${text} is no domain name`);
      await withSecrets(async ({ sql, secrets, config }) => {
        const routing = await readRouting(routingSourceOf(config, sql, secrets));
        const ownListeners = () => [{ host: config.bounceHost, port: config.bouncePort }];
        const log = createLogger(config.logLevel);
        const mta = createMta(mtaOptions(config, { ...routing, ownListeners }, systemClock, log));
        const explanation: Explanation = await mta.explain(domain, options.pool ?? null);
        await mta.close();
        if (options.json === true) printJson(explanation);
        else print(formatTable(['DOMAIN', domain], explanationRows(explanation)));
      });
    });
}
