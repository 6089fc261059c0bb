/**
 * cli/alarm — `volley alarm`: rules, the alarms they raised, and providers whose mail is held.
 *
 * Calls the same use cases as the API; a running server follows within a second.
 */
import { Command, Option } from 'commander';
import { listAlarms } from '../campaigns/alarms/alarms.ts';
import { listPauses, pauseProvider, resumeProvider } from '../campaigns/alarms/pauses.ts';
import { ACTIONS, METRICS } from '../campaigns/alarms/rule.ts';
import type { AlarmAction, Metric } from '../campaigns/alarms/rule.ts';
import { changeRule, createRule, deleteRule, listRules } from '../campaigns/alarms/rules.ts';
import type { AlarmRule } from '../campaigns/alarms/rules.ts';
import { systemClock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { presentAlarm, presentRule } from '../api/routes/alarms.ts';
import { presentPause } from '../api/routes/provider-pauses.ts';
import { formatId } from '../kernel/ids.ts';
import { idArgument } from './id-argument.ts';
import { formatTable, print, printJson } from './table.ts';
import { whoIAm } from './who.ts';
import { withSecrets } from './with-secrets.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- alarm list
  npm run -s volley -- alarm set bounces bounce --threshold 0.05 --volume 200 --action pause_provider
  npm run -s volley -- alarm pauses
  npm run -s volley -- alarm resume pps_0000000000001`;

const LISTED = 100;

export function alarmCommand(): Command {
  const command = new Command('alarm')
    .description('rates that are too high: alarms, their rules, what they hold back')
    .addHelpText('after', EXAMPLES);
  addList(command);
  addRules(command);
  addPauses(command);
  return command;
}

function addList(command: Command): void {
  command
    .command('list')
    .description('the newest 100')
    .option('--raised', 'only those that stand')
    .option('--json', 'as JSON')
    .action(async (options: { raised?: true; json?: true }) => {
      await withSecrets(async ({ sql }) => {
        const live = options.raised === true ? true : null;
        const { data } = await listAlarms({ sql }, { limit: LISTED, after: null }, live);
        if (options.json === true) {
          printJson(data.map(presentAlarm));
          return;
        }
        const rows = data.map((alarm) => ({
          id: formatId('alm', alarm.id),
          rule: alarm.ruleName,
          sender: formatId('snd', alarm.senderId),
          provider: alarm.provider,
          count: Number(alarm.count),
          volume: Number(alarm.volume),
          action: alarm.action,
          raised: alarm.raisedAt.toISOString(),
          cleared: alarm.clearedAt?.toISOString() ?? null,
          cleared_by: alarm.clearedBy,
        }));
        show(rows);
      });
    });
}

interface SetOptions {
  threshold: number;
  volume: number;
  window: number;
  action: AlarmAction;
  sender?: string;
  provider?: string;
}

function addRules(command: Command): void {
  command
    .command('rules')
    .description('all rules')
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }) => {
      await withSecrets(async ({ sql }) => {
        const rules = await listRules({ sql });
        if (options.json === true) {
          printJson(rules.map(presentRule));
          return;
        }
        show(rules.map(describeRule));
      });
    });
  command
    .command('set')
    .argument('<name>', 'of the rule: a new one, or one that is changed')
    .argument('<metric>', METRICS.join(' | '))
    .description('add or change a rule')
    .requiredOption('--threshold <share>', '0.05 is 5 %', Number)
    .requiredOption('--volume <messages>', 'below it a rate says nothing', Number)
    .option('--window <minutes>', 'how far back', Number, 60)
    .addOption(new Option('--action <what>', 'when it is broken').choices(ACTIONS).default('none'))
    .option('--sender <id>', 'only this sender')
    .option('--provider <name>', 'only this provider')
    .action(async (name: string, metric: string, options: SetOptions) => {
      await withSecrets(async ({ sql }) => {
        const input = inputOf(name, metric, options);
        const known = (await listRules({ sql })).find((rule) => rule.name === name);
        const rule =
          known === undefined
            ? await createRule({ sql }, input)
            : await changeRule({ sql }, known.id, input);
        print(`${formatId('alr', rule.id)} ${rule.name} ${rule.metric} ${rule.action}`);
      });
    });
  command
    .command('remove <id>')
    .description('a rule; its alarms are cleared')
    .action(async (text: string) => {
      await withSecrets(async ({ sql }) => {
        const rule = await deleteRule({ sql }, idArgument('alr', text));
        print(`${text} ${rule.name} removed`);
      });
    });
}

function inputOf(name: string, metric: string, options: SetOptions) {
  if (!(METRICS as readonly string[]).includes(metric)) {
    throw new AppError('invalid_request', `metric must be one of ${METRICS.join(', ')}`);
  }
  return {
    name,
    metric: metric as Metric,
    senderId: options.sender === undefined ? null : idArgument('snd', options.sender),
    provider: options.provider ?? null,
    windowMinutes: options.window,
    minVolume: options.volume,
    threshold: options.threshold,
    action: options.action,
  };
}

function describeRule(rule: AlarmRule): Record<string, string | number | null> {
  return {
    id: formatId('alr', rule.id),
    name: rule.name,
    metric: rule.metric,
    sender: rule.senderId === null ? 'each' : formatId('snd', rule.senderId),
    provider: rule.provider ?? 'each',
    window_minutes: rule.windowMinutes,
    min_volume: rule.minVolume,
    threshold: rule.threshold,
    action: rule.action,
  };
}

function addPauses(command: Command): void {
  command
    .command('pauses')
    .description('providers whose mail is held')
    .option('--all', 'also those that were resumed')
    .option('--json', 'as JSON')
    .action(async (options: { all?: true; json?: true }) => {
      await withSecrets(async ({ sql }) => {
        const live = options.all === true ? null : true;
        const { data } = await listPauses({ sql }, { limit: LISTED, after: null }, live);
        if (options.json === true) {
          printJson(data.map(presentPause));
          return;
        }
        const rows = data.map((pause) => ({
          id: formatId('pps', pause.id),
          sender: formatId('snd', pause.senderId),
          provider: pause.provider,
          since: pause.createdAt.toISOString(),
          by: pause.createdBy,
          resumed: pause.resumedAt?.toISOString() ?? null,
          reason: pause.reason,
        }));
        show(rows);
      });
    });
  command
    .command('pause <sender-id> <provider>')
    .description("hold a sender's mail to one provider")
    .requiredOption('--reason <text>', 'for those who come later')
    .action(async (sender: string, provider: string, { reason }: { reason: string }) => {
      await withSecrets(async ({ sql }) => {
        const input = { senderId: idArgument('snd', sender), provider, reason, by: whoIAm() };
        const pause = await pauseProvider({ sql, clock: systemClock }, input);
        print(`${formatId('pps', pause.id)} ${provider} paused`);
      });
    });
  command
    .command('resume <pause-id>')
    .description('let the mail go on; alarms begin to count anew')
    .action(async (text: string) => {
      await withSecrets(async ({ sql }) => {
        const id = idArgument('pps', text);
        const pause = await resumeProvider({ sql, clock: systemClock }, id, whoIAm());
        print(`${text} ${pause.provider} resumed`);
      });
    });
}

function show(rows: readonly Record<string, string | number | null>[]): void {
  if (rows.length === 0) print('none');
  else {
    const head = Object.keys(rows[0] ?? {}).map((name) => name.replace('_', ' ').toUpperCase());
    print(
      formatTable(
        head,
        rows.map((row) => Object.values(row)),
      ),
    );
  }
}
