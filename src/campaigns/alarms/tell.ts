/** campaigns/alarms/tell — a fact as an event, and into the outbox of the webhooks that want it. */
import type { Tx } from '../../kernel/postgres/connect.ts';
import { formatId } from '../../kernel/ids.ts';
import type { WebhookFact } from '../webhooks/fact.ts';
import type { AlarmRow } from './store.ts';
import { queueFacts } from '../webhooks/store.ts';
import { insertAlarmEvents } from './store.ts';

/** Both in the transaction of the fact. */
export async function tell(tx: Tx, facts: readonly WebhookFact[]): Promise<void> {
  await insertAlarmEvents(
    tx,
    facts.map(({ event, at, data }) => ({ kind: event, at, data })),
  );
  await queueFacts(tx, facts);
}

type ClearedAlarm = Pick<AlarmRow, 'id' | 'ruleName' | 'senderId' | 'provider' | 'clearedBy'>;

/** The figures of its raising are no longer true, so it has none. */
export function clearedFact(alarm: ClearedAlarm, at: Date): WebhookFact {
  return {
    event: 'alarm.cleared',
    at,
    data: {
      alarm_id: formatId('alm', alarm.id),
      rule: alarm.ruleName,
      sender_id: formatId('snd', alarm.senderId),
      provider: alarm.provider,
      cleared_by: alarm.clearedBy,
    },
  };
}
