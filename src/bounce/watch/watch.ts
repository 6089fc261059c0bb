/**
 * bounce/watch/watch — what becomes of an address that failed too often: warned, asked, given up or
 * cleared (as ezmlm does it).
 *
 *     active -> suspect -> warned -> probed -> suppressed
 *                             |         |
 *                             +---------+--> active again, its soft bounces forgotten
 *
 * Pure. Promises: only a warning and a probe that both came back by the recipient's own fault end in a
 *           suppression. Whatever else became of them clears him: doubt is to his favour.
 *           While a message is under way nothing is decided.
 * See:      DESIGN.md "From failures to suppression", store.ts (rows), keeper.ts (acts).
 */
import { RECIPIENT_CLASSES } from '../policy.ts';

export type WatchState = 'suspect' | 'warned' | 'probed';

/** What became of the warning or probe that we wait for. */
export type NoticeOutcome =
  /** Queued, or being tried. */
  | 'under_way'
  /** Accepted, and nothing has come back. */
  | 'accepted'
  /** Refused, given up or reported back, by the recipient's own fault. */
  | 'bounced'
  /** Ended in another way: network, rate, cancelled ... */
  | 'inconclusive';

/** What the tables say of the message. */
export interface NoticeFacts {
  /** Of its delivery; null: not queued yet. */
  deliveryState: string | null;
  deliveryClass: string | null;
  /** Of a report that came back later; null: none did. */
  lateClass: string | null;
}

export interface Watched {
  state: WatchState;
  /** It bounced already; the next message is due. */
  bounced: boolean;
  noticeAt: Date | null;
  outcome: NoticeOutcome;
  /** He is on the list for everything by now, whatever put him there. */
  suppressed: boolean;
}

export interface WatchTimes {
  warnAfterDays: number;
  probeAfterDays: number;
  graceDays: number;
}

export type WatchStep =
  | { do: 'send'; kind: 'warning' | 'probe' }
  | { do: 'suppress' }
  | { do: 'clear' }
  /** Nothing more to decide: somebody else has. */
  | { do: 'drop' }
  /** `bounced`: what was waited for has come back. */
  | { do: 'wait'; until: Date; bounced: boolean };

const DAY_MS = 86_400_000;
/** How often a message that is out is looked after. */
export const LOOK_MS = 600_000;

export function days(from: Date, count: number): Date {
  return new Date(from.getTime() + count * DAY_MS);
}

/** For an address whose `dueAt` has come. */
export function nextStep(watched: Watched, times: WatchTimes, now: Date): WatchStep {
  if (watched.suppressed) return { do: 'drop' };
  if (watched.state === 'suspect') return { do: 'send', kind: 'warning' };
  if (watched.state === 'warned' && watched.bounced) return { do: 'send', kind: 'probe' };
  switch (watched.outcome) {
    case 'inconclusive':
      return { do: 'clear' };
    case 'bounced':
      if (watched.state === 'probed') return { do: 'suppress' };
      return { do: 'wait', until: days(now, times.probeAfterDays), bounced: true };
    case 'accepted': {
      const graceEnds = days(watched.noticeAt ?? now, times.graceDays);
      if (graceEnds <= now) return { do: 'clear' };
      return { do: 'wait', until: earlier(graceEnds, look(now)), bounced: false };
    }
    case 'under_way':
      return { do: 'wait', until: look(now), bounced: false };
  }
}

export function outcomeOf(facts: NoticeFacts): NoticeOutcome {
  switch (facts.deliveryState) {
    case null:
    case 'pending':
      return 'under_way';
    case 'accepted':
      return facts.lateClass === null ? 'accepted' : blame(facts.lateClass);
    case 'bounced':
    case 'expired':
      return blame(facts.deliveryClass);
    default:
      return 'inconclusive';
  }
}

function blame(name: string | null): NoticeOutcome {
  return RECIPIENT_CLASSES.some((known) => known === name) ? 'bounced' : 'inconclusive';
}

function look(now: Date): Date {
  return new Date(now.getTime() + LOOK_MS);
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}
