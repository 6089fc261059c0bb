/**
 * bounce/attribution — which of our recipients a returning message is about.
 *
 * Pure. Promises: the token leads. A delivery token names its delivery, whatever the text says (a
 *           forwarded mailbox reports another address; then `mismatch` is set). A batch token names
 *           only recipients of its batch: by Original-Recipient, then Final-Recipient, then the
 *           recipient that the receiver wrote behind the token (XVERP), then our own marks (the
 *           envelope id and the trace header, when they name a delivery of the batch).
 *           A delivery is named at most once, with the worst that was said of it.
 * Never:    looks outside the token's delivery or batch.
 * Why:      addresses in a report can be rewritten, redacted or invented; the token is signed.
 */
import { parseAddress } from '../kernel/address.ts';
import { parseId } from '../kernel/ids.ts';
import type { KeyRing } from '../verp/keyring.ts';
import { verifyToken } from '../verp/token.ts';
import { recipientKey } from './arrival.ts';
import type { Arrival, Knowledge, KnownDelivery } from './arrival.ts';
import { subjectOf } from './destination.ts';
import type { InspectedRecipient, Inspection } from './inspection.ts';

export interface Attributed {
  delivery: KnownDelivery;
  /** What the report says of it; null when it says nothing of anybody. */
  report: InspectedRecipient | null;
  /** The report names somebody else. */
  mismatch: boolean;
}

/** What has to be looked up before `attribute` can answer. */
export interface Clues {
  deliveryIds: bigint[];
  batchIds: bigint[];
  /** In the batch of the destination. */
  addressKeys: string[];
}

export function cluesOf(ring: KeyRing, arrival: Arrival): Clues {
  const { token } = arrival.destination;
  if (token === null) return { deliveryIds: [], batchIds: [], addressKeys: [] };
  const subject = subjectOf(token);
  if (subject.kind === 'delivery') {
    return { deliveryIds: [subject.id], batchIds: [], addressKeys: [] };
  }
  const keys =
    arrival.destination.purpose === 'unsubscribe'
      ? keysOf([arrival.envelopeSender])
      : [
          ...arrival.inspection.recipients.flatMap(recipientKeys),
          ...keysOf([arrival.destination.recipient]),
        ];
  return {
    deliveryIds: markedDeliveries(ring, arrival.inspection),
    batchIds: [subject.id],
    addressKeys: [...new Set(keys)],
  };
}

export function attribute(ring: KeyRing, arrival: Arrival, known: Knowledge): Attributed[] {
  const { token, purpose } = arrival.destination;
  if (token === null) return [];
  const subject = subjectOf(token);
  const reports = arrival.inspection.recipients;
  if (subject.kind === 'delivery') {
    const delivery = known.deliveries.get(subject.id);
    return delivery === undefined ? [] : [byToken(delivery, reports)];
  }
  if (purpose === 'unsubscribe') {
    const [key = ''] = keysOf([arrival.envelopeSender]);
    const delivery = known.recipients.get(recipientKey(subject.id, key));
    return delivery === undefined ? [] : [{ delivery, report: null, mismatch: false }];
  }
  const named = byAddress(subject.id, reports, known);
  if (named.length > 0) return named;
  const [key = ''] = keysOf([arrival.destination.recipient]);
  const delivery = known.recipients.get(recipientKey(subject.id, key));
  if (delivery !== undefined) return [byToken(delivery, reports)];
  return byMark(ring, subject.id, arrival.inspection, known);
}

function byToken(delivery: KnownDelivery, reports: readonly InspectedRecipient[]): Attributed {
  const own = reports.filter((report) => recipientKeys(report).includes(delivery.addressKey));
  const report = worst(own.length > 0 ? own : reports);
  return { delivery, report, mismatch: report !== null && own.length === 0 };
}

function byAddress(
  batchId: bigint,
  reports: readonly InspectedRecipient[],
  known: Knowledge,
): Attributed[] {
  const found = new Map<bigint, { delivery: KnownDelivery; reports: InspectedRecipient[] }>();
  for (const report of reports) {
    const delivery = recipientKeys(report)
      .map((key) => known.recipients.get(recipientKey(batchId, key)))
      .find((each) => each !== undefined);
    if (delivery === undefined) continue;
    const entry = found.get(delivery.deliveryId) ?? { delivery, reports: [] };
    entry.reports.push(report);
    found.set(delivery.deliveryId, entry);
  }
  return [...found.values()].map((entry) => ({
    delivery: entry.delivery,
    report: worst(entry.reports),
    mismatch: false,
  }));
}

function byMark(
  ring: KeyRing,
  batchId: bigint,
  inspection: Inspection,
  known: Knowledge,
): Attributed[] {
  const batch = known.batches.get(batchId);
  for (const id of markedDeliveries(ring, inspection)) {
    const delivery = known.deliveries.get(id);
    if (delivery === undefined || delivery.campaignId !== batch?.campaignId) continue;
    if (id < batch.firstDeliveryId || id > batch.lastDeliveryId) continue;
    return [byToken(delivery, inspection.recipients)];
  }
  return [];
}

/** Original recipient first: it is what we wrote; the final one may be rewritten. */
function recipientKeys(report: InspectedRecipient): string[] {
  return keysOf([report.originalRecipient, report.recipient]);
}

function keysOf(addresses: readonly (string | null)[]): string[] {
  return addresses.flatMap((text) => {
    const address = text === null ? null : parseAddress(text);
    return address?.ok === true ? [address.value.key] : [];
  });
}

/** Deliveries that the envelope id or the trace header of the returned message names. */
function markedDeliveries(ring: KeyRing, inspection: Inspection): bigint[] {
  return [inspection.envelopeId, inspection.traceToken].flatMap((mark) => {
    if (mark === null) return [];
    const token = verifyToken(ring, mark);
    if (token !== null) {
      const subject = subjectOf(token);
      return subject.kind === 'delivery' ? [subject.id] : [];
    }
    const id = parseId('dlv', mark);
    return id === null ? [] : [id];
  });
}

const SEVERITY: Record<InspectedRecipient['action'], number> = {
  failed: 2,
  delayed: 1,
  delivered: 0,
  relayed: 0,
  expanded: 0,
};

/** The first of the worst. */
function worst(reports: readonly InspectedRecipient[]): InspectedRecipient | null {
  let found: InspectedRecipient | null = null;
  for (const report of reports) {
    if (found === null || SEVERITY[report.action] > SEVERITY[found.action]) found = report;
    else if (report.action === 'failed' && found.action === 'failed') {
      if (report.verdict.permanent && !found.verdict.permanent) found = report;
    }
  }
  return found;
}
