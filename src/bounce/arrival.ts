/**
 * bounce/arrival — one message for one destination, read and understood, on its way into the database.
 *
 * Known facts that attribution works with stand here too, as the store finds them.
 */
import type { Destination } from './destination.ts';
import type { Inspection } from './inspection.ts';

export interface Arrival {
  destination: Destination;
  /** Empty for the null sender. */
  envelopeSender: string;
  /** SHA-256 over destination and message. */
  fingerprint: Uint8Array;
  /** The first 64 KiB, as received. */
  raw: Uint8Array;
  inspection: Inspection;
  receivedAt: Date;
}

/** What the database knows of a delivery that an arrival may be about. */
export interface KnownDelivery {
  deliveryId: bigint;
  campaignId: bigint;
  /** As it is shown: `sending` while it is marked (kernel/marks). */
  state: string;
  addressKey: string;
  /** Destination domain. */
  domain: string;
  stream: string;
  /** Of the From address: a suppression scope. */
  senderDomain: string;
}

export interface KnownBatch {
  batchId: bigint;
  campaignId: bigint;
  firstDeliveryId: bigint;
  lastDeliveryId: bigint;
}

/** Everything the tokens, addresses and traces of a group of arrivals led to. */
export interface Knowledge {
  deliveries: ReadonlyMap<bigint, KnownDelivery>;
  batches: ReadonlyMap<bigint, KnownBatch>;
  /** By batch and address key: only recipients of that batch. */
  recipients: ReadonlyMap<string, KnownDelivery>;
}

export function recipientKey(batchId: bigint, addressKey: string): string {
  return `${batchId}/${addressKey}`;
}
