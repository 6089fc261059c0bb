/** cli/id-argument — an id on the command line. */
import { AppError } from '../kernel/errors.ts';
import { parseId } from '../kernel/ids.ts';
import type { IdPrefix } from '../kernel/ids.ts';

const KINDS = {
  cmp: 'campaign',
  rte: 'route',
  src: 'source',
  snd: 'sender',
  tlr: 'TLS report',
  whk: 'webhook',
  alr: 'alarm rule',
  pps: 'pause',
} as const satisfies Partial<Record<IdPrefix, string>>;

/** Fails with `not_found` when the text is no id of this kind. */
export function idArgument(prefix: keyof typeof KINDS, text: string): bigint {
  const id = parseId(prefix, text);
  if (id !== null) return id;
  throw new AppError('not_found', `${text} is no ${KINDS[prefix]} id (${prefix}_…)`);
}
