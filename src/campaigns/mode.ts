/**
 * campaigns/mode — one copy for many, or one message for each: decided in one place.
 *
 * Promises: pure. `single_copy` and `parallel` are taken as asked. `auto` is `single_copy` when every
 *           recipient would get the same bytes. Marketing mail never does: each message carries the
 *           recipient's own one-click unsubscribe link (RFC 8058), which big receivers ask for.
 * Seam:     the bandwidth policy will weigh message size and link here.
 */
import type { Stream } from './campaign.ts';

export type DeliveryMode = 'auto' | 'single_copy' | 'parallel';
export type EffectiveMode = 'single_copy' | 'parallel';

export function effectiveMode(
  mode: DeliveryMode,
  variables: readonly string[],
  stream: Stream,
): EffectiveMode {
  if (mode !== 'auto') return mode;
  return variables.length === 0 && stream !== 'marketing' ? 'single_copy' : 'parallel';
}
