/** cli/webhook — `volley webhook`: who is told of alarms and pauses, and how the telling went. */
import { Command } from 'commander';
import { presentWebhook, presentWebhookDelivery } from '../api/routes/webhooks.ts';
import { WEBHOOK_EVENTS } from '../campaigns/webhooks/fact.ts';
import type { WebhookEvent } from '../campaigns/webhooks/fact.ts';
import {
  createWebhook,
  deleteWebhook,
  listWebhookDeliveries,
  listWebhooks,
} from '../campaigns/webhooks/webhooks.ts';
import { AppError } from '../kernel/errors.ts';
import { formatId } from '../kernel/ids.ts';
import { idArgument } from './id-argument.ts';
import { readSecret } from './secret-file.ts';
import { formatTable, print, printJson } from './table.ts';
import { withSecrets } from './with-secrets.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- webhook add https://ops.example.com/volley
  npm run -s volley -- webhook add http://127.0.0.1:9000/hook --event alarm.raised provider.paused
  npm run -s volley -- webhook deliveries whk_0000000000001`;

const LISTED = 100;

export function webhookCommand(): Command {
  const command = new Command('webhook')
    .description('who is told of alarms and pauses: list, add, remove, deliveries')
    .addHelpText('after', EXAMPLES);
  addAdd(command);
  addLists(command);
  command
    .command('remove <id>')
    .description('it is told nothing more')
    .action(async (text: string) => {
      await withSecrets(async ({ sql }) => {
        await deleteWebhook({ sql }, idArgument('whk', text));
        print(`${text} removed`);
      });
    });
  return command;
}

function addAdd(command: Command): void {
  command
    .command('add <url>')
    .description('prints the secret that signs, once')
    .option('--event <names...>', `of ${WEBHOOK_EVENTS.join(', ')}; all when absent`)
    .option('--secret-file <path>', 'whsec_ and base64; - is standard input; made when absent')
    .option('--json', 'as JSON')
    .action(
      async (url: string, options: { event?: string[]; secretFile?: string; json?: true }) => {
        const events = (options.event ?? []).map(eventOf);
        const given = options.secretFile === undefined ? null : readSecret(options.secretFile);
        await withSecrets(async ({ sql, secrets }) => {
          const made = await createWebhook({ sql, ...secrets }, { url, events, secret: given });
          const id = formatId('whk', made.webhook.id);
          if (options.json === true) printJson({ id, url, secret: made.secret });
          else print(`${id} ${made.secret}`);
        });
      },
    );
}

function addLists(command: Command): void {
  command
    .command('list')
    .description('all of them')
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }) => {
      await withSecrets(async ({ sql }) => {
        const { data } = await listWebhooks({ sql }, { limit: LISTED, after: null });
        const cells = data.map(({ id, url, events }) => [
          formatId('whk', id),
          url,
          events.join(' '),
        ]);
        if (options.json === true) printJson(data.map(presentWebhook));
        else print(formatTable(['ID', 'URL', 'EVENTS'], cells));
      });
    });
  command
    .command('deliveries <id>')
    .description('what it was told: the newest 100')
    .option('--json', 'as JSON')
    .action(async (text: string, options: { json?: true }) => {
      await withSecrets(async ({ sql }) => {
        const page = { limit: LISTED, after: null };
        const { data } = await listWebhookDeliveries({ sql }, idArgument('whk', text), page);
        const cells = data.map((row) => [
          formatId('whd', row.id),
          row.event,
          row.state,
          row.attempts,
          row.status,
          row.createdAt.toISOString(),
          row.reason,
        ]);
        const head = ['ID', 'EVENT', 'STATE', 'ATTEMPTS', 'STATUS', 'CREATED', 'REASON'];
        if (options.json === true) printJson(data.map(presentWebhookDelivery));
        else print(formatTable(head, cells));
      });
    });
}

function eventOf(name: string): WebhookEvent {
  const known = WEBHOOK_EVENTS.find((event) => event === name);
  if (known !== undefined) return known;
  throw new AppError('invalid_request', `${name} is none of ${WEBHOOK_EVENTS.join(', ')}`);
}
