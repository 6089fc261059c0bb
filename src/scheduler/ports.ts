/**
 * scheduler/ports — what the scheduler needs from above, declared here and wired in main.ts.
 *
 * MessageSource is implemented by campaigns/source.ts: it turns frozen content and a recipient into
 * signed bytes. The scheduler knows nothing of templates, MIME or DKIM.
 */
import type { Message } from '../mta/message.ts';
import type { Protection } from '../mta/transaction.ts';

/** A recipient of a batch, as the scheduler reads it. */
export interface BatchRecipient {
  deliveryId: bigint;
  recipientId: bigint;
  address: string;
  name: string | null;
  /** The object of the row as JSON text: taken apart when a message is made, and a single copy never does. */
  variablesJson: string | null;
}

export type Rendered =
  | { ok: true; message: Message; envelopeSender: string; envelopeId: string }
  /** Content that cannot be made for this recipient; never the recipient's fault. */
  | { ok: false; reason: string };

/** One campaign's frozen content, ready to be rendered. */
export interface CampaignMessages {
  mode: 'single_copy' | 'parallel';
  /** How its way must be protected. */
  protection: Protection;
  /** Signed bytes for one recipient; envelope sender is the recipient's VERP address. */
  render(recipient: BatchRecipient): Promise<Rendered>;
  /** One copy for many recipients of one domain; envelope sender carries the batch's token. */
  renderCopy(batchId: bigint): Promise<Rendered>;
}

export interface MessageSource {
  /** Loads (and caches) what a campaign sends. Throws only on bugs and a lost database. */
  open(campaignId: bigint): Promise<CampaignMessages>;
}
