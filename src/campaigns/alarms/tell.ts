/** campaigns/alarms/tell — a fact as an event, and into the outbox of the webhooks that want it. */
import type { Tx } from '../../kernel/postgres/connect.ts';
import type { WebhookFact } from '../webhooks/fact.ts';
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
