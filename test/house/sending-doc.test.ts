import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SETTINGS } from '../../src/kernel/settings.ts';
import type { SettingName } from '../../src/kernel/settings.ts';
import { ROOT } from './source-files.ts';
import { settingsTable } from './settings-table.ts';

/** Settings that do not decide how mail is sent; a new setting stands here or in docs/sending.md. */
const ELSEWHERE: readonly SettingName[] = [
  'dataDir',
  'databaseUrl',
  'databasePoolSize',
  'secret',
  'previousSecrets',
  'apiHost',
  'apiPort',
  'bounceHost',
  'bouncePort',
  'bounceMaxMessageBytes',
  'bounceMaxConnections',
  'bounceMaxConnectionsPerAddress',
  'bounceMaxMessagesPerMinute',
  'bounceTlsCert',
  'bounceTlsKey',
  'minFreeBytes',
  'inboundSources',
  'inboundPollSeconds',
  'bounceRules',
  'postmasterForwardTo',
  'softBounceAction',
  'warnAfterDays',
  'probeAfterDays',
  'probeGraceDays',
  'inboundDays',
  'attemptDays',
  'noticeDays',
  'rejectDays',
  'alarmIntervalSeconds',
  'dailyReportTo',
  'dailyReportFrom',
  'dailyReportAt',
  'dailyReportZone',
  'dailyReportLanguage',
  'logLevel',
];
/** Where the API says what a request may hold. */
const REQUESTS = [
  { heading: '### Sender (', file: 'senders.ts', schema: 'NewSender' },
  { heading: '### Campaign (', file: 'campaigns.ts', schema: 'NewCampaign' },
  { heading: '### Route (', file: 'routing.ts', schema: 'NewRoute' },
  { heading: '### Source address (', file: 'sources.ts', schema: 'NewSource' },
];
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const doc = read('docs/sending.md');

/** Cells of the table rows of a text that begin with a word in code type. */
function rowsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map(([, ...cells]) => cells);
}

test('docs/sending.md has every setting of sending, with its default, unit and source', () => {
  const envs = new Set(
    (Object.keys(SETTINGS) as SettingName[])
      .filter((name) => !ELSEWHERE.includes(name))
      .map((name) => SETTINGS[name].env),
  );
  const wanted = settingsTable()
    .filter(({ env }) => envs.has(env))
    .map(({ env, fallback }) => [env, fallback]);
  const rows = rowsOf(doc).filter(([name]) => name?.startsWith('VOLLEY_') === true);
  expect(rows.map(([env, fallback]) => [env, fallback]).sort()).toEqual(wanted.sort());
  for (const [env, , unit, from] of rows) {
    expect([env, unit !== '', from !== '']).toEqual([env, true, true]);
  }
});

test('docs/sending.md has every field of the requests that decide about sending', () => {
  for (const { heading, file, schema } of REQUESTS) {
    const source = read(`src/api/routes/${file}`);
    const [body = ''] = source.split(`const ${schema} = `)[1]?.split(`.openapi('${schema}'`) ?? [];
    const fields = [...body.matchAll(/^ {4}(\w+)(?::|,$)/gm)].map(([, name]) => name);
    const section = doc.split(heading)[1]?.split('\n#')[0] ?? '';
    expect(fields.length).toBeGreaterThan(3);
    expect([schema, rowsOf(section).map(([name]) => name)]).toEqual([schema, fields]);
  }
});

test('the constants in docs/sending.md are those of the source', () => {
  const rows = rowsOf(doc.split('\n## Constants')[1] ?? '');
  expect(rows.length).toBeGreaterThan(40);
  for (const [name = '', value = '', file = '', meaning, from] of rows) {
    const found = new RegExp(`\\b${name}(?: =|:| \\?\\?) ([\\d._* ]*\\d)`).exec(read(file));
    expect([file, name, found?.[1]]).toEqual([file, name, value]);
    expect([name, meaning !== '', from !== '']).toEqual([name, true, true]);
  }
});

test('every timeout of a session is in docs/sending.md', () => {
  const source = read('src/mta/timeouts.ts').split('DEFAULT_TIMEOUTS')[1] ?? '';
  const names = [...source.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name);
  const documented = rowsOf(doc).filter(([, , file]) => file === 'src/mta/timeouts.ts');
  expect(documented.map(([name]) => name)).toEqual(names);
});
