/**
 * interop/messages — what a campaign must have sent, to compare with what arrived.
 *
 * Rendering is a function of the frozen content, the recipient and the clock, and both signature
 * algorithms are deterministic: with the times that a message bears, the same bytes come out again.
 */
import { createMessageSource } from '../../src/campaigns/source.ts';
import { parseId } from '../../src/kernel/ids.ts';
import type { BatchRecipient } from '../../src/scheduler/ports.ts';
import type { Arrival } from './receiver.ts';
import type { Stand } from './stand.ts';
import type { Keys } from './verifiers.ts';
import { bytesOf } from '../harness/message.ts';

/** For each arrival, the bytes and the envelope sender that were rendered for it. */
export async function renderAgain(
  stand: Stand,
  id: string,
  arrivals: readonly Arrival[],
): Promise<{ sender: string; message: Buffer }[]> {
  const times: Date[] = [];
  const { deps } = stand.world.engine;
  const source = createMessageSource({ ...deps, clock: () => times.shift() ?? new Date(0) });
  const messages = await source.open(parseId('cmp', id) ?? 0n);
  const recipients = await readRecipients(stand, id);
  const again: { sender: string; message: Buffer }[] = [];
  for (const { recipient, message } of arrivals) {
    const text = message.toString('latin1');
    times.splice(0, times.length, ...timesOf(text));
    const row = recipients.get(recipient.toLowerCase());
    if (row === undefined) throw new Error(`${recipient} is nobody we wrote to`);
    const rendered =
      messages.mode === 'parallel'
        ? await messages.render(row)
        : await messages.renderCopy(batchOf(text));
    if (!rendered.ok) throw new Error(rendered.reason);
    again.push({ sender: rendered.envelopeSender, message: bytesOf(rendered.message) });
  }
  return again;
}

/** The Date field is written first, then each signature takes the time. */
function timesOf(text: string): Date[] {
  const date = new Date(/^Date: (.*)$/m.exec(text)?.[1] ?? '');
  const signed = [...text.matchAll(/^DKIM-Signature: [^;]*;[^]*?\bt=(\d+)/gm)];
  return [date, ...signed.map(([, seconds]) => new Date(Number(seconds) * 1_000))];
}

function batchOf(text: string): bigint {
  const base36 = /^Message-ID: <cmp_[a-z0-9]+\.([a-z0-9]+)@/m.exec(text)?.[1] ?? '';
  let batchId = 0n;
  for (const digit of base36) batchId = batchId * 36n + BigInt(parseInt(digit, 36));
  return batchId;
}

async function readRecipients(stand: Stand, id: string): Promise<Map<string, BatchRecipient>> {
  const rows = await stand.world.sql<BatchRecipient[]>`
    select d.id as delivery_id, r.id as recipient_id, r.address, r.name, r.variables::text as variables_json
    from deliveries d join recipients r on r.id = d.recipient_id
    where d.campaign_id = ${parseId('cmp', id) ?? 0n}`;
  return new Map(rows.map((row) => [row.address.toLowerCase(), row]));
}

/** The DKIM keys of a campaign's sender, as they would be in the DNS. */
export async function keysOf(stand: Stand, id: string): Promise<Keys> {
  const { api } = stand.world;
  const { sender_id } = await api.get<{ sender_id: string }>(`/v1/campaigns/${id}`);
  const sender = await api.get<{ dns_records: { type: string; name: string; value: string }[] }>(
    `/v1/senders/${sender_id}`,
  );
  const keys = sender.dns_records.filter(({ name }) => name.includes('._domainkey.'));
  return Object.fromEntries(keys.map(({ name, value }) => [name, value]));
}
