/** house/settings-table — the settings as documents have to show them. */
import { SETTINGS } from '../../src/kernel/settings.ts';
import type { SettingName } from '../../src/kernel/settings.ts';

/** What the README has to print: `npm run -s volley -- config` shows the same for this machine. */
export function settingsTable(): { env: string; fallback: string; meaning: string }[] {
  return (Object.keys(SETTINGS) as SettingName[]).map((name) => {
    const setting = SETTINGS[name];
    const value: unknown = setting.schema.parse(undefined);
    const text = Array.isArray(value)
      ? value.join(',')
      : JSON.stringify(value ?? '').replaceAll('"', '');
    return {
      env: setting.env,
      fallback: setting.defaultText ?? (text === '{}' ? '' : text),
      meaning: setting.meaning,
    };
  });
}
