/**
 * kernel/config — the only reader of the environment and of the configuration file.
 *
 * Promises: precedence is environment > file > default. All bad values are reported at once, each
 *           with its variable; an unknown VOLLEY_ variable or file key is an error, because a typo
 *           must not become a default.
 * Fails:    AppError `config_invalid`, one line a mistake.
 * See:      kernel/settings.ts for the list.
 */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { AppError, messageOf } from './errors.ts';
import { SETTINGS } from './settings.ts';
import type { Config, SettingName } from './settings.ts';

export type { Config };
export type Source = 'environment' | 'file' | 'default';
export interface LoadedConfig {
  config: Config;
  sources: Record<SettingName, Source>;
}
export type Environment = Record<string, string | undefined>;

const NAMES = Object.keys(SETTINGS) as SettingName[];
/** VOLLEY_CONFIG names the file itself, so it is no setting. */
const FILE_VARIABLE = 'VOLLEY_CONFIG';

/** The process's own environment. */
export function processEnvironment(): Environment {
  return process.env;
}

function readConfigFile(path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new AppError(
      'config_invalid',
      `cannot read ${FILE_VARIABLE} ${path}: ${messageOf(error)}`,
    );
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new AppError('config_invalid', `${path} must hold one object of settings`);
  }
  return value as Record<string, unknown>;
}

function unknownKeys(env: Environment, file: Record<string, unknown>): string[] {
  const variables = new Set<string>([FILE_VARIABLE, ...NAMES.map((name) => SETTINGS[name].env)]);
  const strayVariables = Object.keys(env)
    .filter((key) => key.startsWith('VOLLEY_') && !variables.has(key))
    .map((key) => `${key}: no such setting (volley config lists them)`);
  const strayKeys = Object.keys(file)
    .filter((key) => !Object.hasOwn(SETTINGS, key))
    .map((key) => `${key} (in the file): no such setting`);
  return [...strayVariables, ...strayKeys];
}

/** Reads all settings from `env` and the file that VOLLEY_CONFIG names. */
export function loadConfig(env: Environment): LoadedConfig {
  const path = env[FILE_VARIABLE];
  const file = path === undefined || path === '' ? {} : readConfigFile(path);
  const mistakes = unknownKeys(env, file);
  const values: Partial<Record<SettingName, unknown>> = {};
  const sources: Partial<Record<SettingName, Source>> = {};
  for (const name of NAMES) {
    const setting = SETTINGS[name];
    const fromEnv = env[setting.env];
    const given = fromEnv !== undefined && fromEnv !== '' ? fromEnv : file[name];
    sources[name] = given === undefined ? 'default' : given === fromEnv ? 'environment' : 'file';
    const parsed = setting.schema.safeParse(given);
    if (parsed.success) values[name] = parsed.data;
    else {
      for (const issue of parsed.error.issues) {
        const path = issue.path.join('.');
        const where = path === '' ? '' : ` (${path})`;
        mistakes.push(`${setting.env}${where}: ${tell(issue)} (${setting.meaning})`);
      }
    }
  }
  if (mistakes.length > 0) {
    throw new AppError('config_invalid', `configuration:\n  ${mistakes.join('\n  ')}`);
  }
  return { config: values as Config, sources: sources as Record<SettingName, Source> };
}

/** In words of the one who wrote it, not of the schema. */
function tell(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  if (issue.code === 'invalid_type') return `must be a ${issue.expected}`;
  return issue.message;
}

/** For `volley config`: secrets masked, lists joined. */
export function describeConfig(loaded: LoadedConfig): {
  setting: string;
  value: string;
  source: Source;
  meaning: string;
}[] {
  return NAMES.map((name) => {
    const setting = SETTINGS[name];
    return {
      setting: setting.env,
      value: describeValue(loaded.config[name], setting.secret === true),
      source: loaded.sources[name],
      meaning: setting.meaning,
    };
  });
}

function describeValue(value: Config[SettingName], secret: boolean): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '';
  if (secret) return '********';
  if (Array.isArray(value)) return value.join(',');
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([key, target]) => `${key}=${target}`)
      .join(',');
  }
  return String(value);
}
