/** kernel/setting-values — what a setting can hold, and how it is written in the environment or the file. */
import { z } from 'zod';
import { parseAddress } from './address.ts';

export interface Setting<T> {
  env: string;
  meaning: string;
  secret?: true;
  /** What the README prints when the default depends on the machine. */
  defaultText?: string;
  schema: z.ZodType<T>;
}

export const integer = (min: number, max: number, fallback: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback);
export const port = (fallback: number) => integer(0, 65_535, fallback);

/** `true`, `false` and the like, or a boolean in the file. */
export const flag = (fallback: boolean) =>
  z
    .preprocess((value) => (typeof value === 'boolean' ? String(value) : value), z.stringbool())
    .default(fallback);

const ROUTE_PATTERN = /^(?:\*|(?:\*\.)?[^\s*@]+)$/;
const ROUTE_TARGET = /^(?:\[[0-9a-f:.]+\]|[^\s:[\]]+):(\d{1,5})$/i;

/** `host:port` or `[v6]:port`. */
function isRouteTarget(text: string): boolean {
  const digits = ROUTE_TARGET.exec(text)?.[1];
  return digits !== undefined && Number(digits) >= 1 && Number(digits) <= 65_535;
}

/** `a=b,c=d`, or an object in the file. */
export const routes = z
  .preprocess(
    (value) => {
      if (typeof value !== 'string') return value ?? {};
      const pairs = value.split(',').filter((pair) => pair.trim() !== '');
      return Object.fromEntries(
        pairs.map((pair) => {
          const at = pair.indexOf('=');
          return [pair.slice(0, at).trim().toLowerCase(), pair.slice(at + 1).trim()];
        }),
      );
    },
    z.record(
      z.string().regex(ROUTE_PATTERN, 'must be a domain, *.domain or *'),
      z.string().refine(isRouteTarget, 'must be host:port'),
    ),
  )
  .default({});

export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** `300,900`, or a list in the file. */
export const list = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => {
    if (typeof value !== 'string') return value;
    return value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }, z.array(item));

export const mailAddress = z
  .string()
  .refine((text) => parseAddress(text).ok, 'must be a mail address');

export function setting<T>(
  env: string,
  schema: z.ZodType<T>,
  meaning: string,
  more = {},
): Setting<T> {
  return { env, schema, meaning, ...more };
}
