/**
 * range/behaviour — what a receiver of the practice world can do to one recipient.
 *
 * Pure. The domain's profile gives percentages, the hash of (seed, address) decides; a local part
 * that begins with a behaviour's name and a plus sign (`greylist+ann@…`) forces it.
 */
export const BEHAVIOURS = [
  /** 250 to RCPT and to the final dot. */
  'accept',
  /** Mailbox does not exist: 550 5.1.1 at RCPT. */
  'unknown',
  /** Mailbox switched off: 550 5.2.1 at RCPT. */
  'inactive',
  /** Mailbox full, temporary reply, never lifts: 452 4.2.2 at RCPT. */
  'full',
  /** Mailbox full, permanent reply: 552 5.2.2 at RCPT. */
  'fullhard',
  /** 451 4.7.1 until the same (client, sender domain, recipient) has waited long enough. */
  'greylist',
  /** 421 at RCPT and close; lifts after the first try. */
  'busy',
  /** The family's rate limit reply at RCPT (QQ: a 550); lifts after one or two tries. */
  'ratelimit',
  /** Content refused after the final dot. */
  'reject',
  /** The message is taken, then the link is closed instead of the reply to the dot; once. */
  'drop',
  /** The same at every attempt. */
  'dropalways',
  /** The link is closed instead of the 354; once. The client cannot have sent the dot. */
  'dropbefore',
  /** The link is closed when the content begins to come; once. The client may have sent the dot. */
  'dropmid',
  /** Accepted; later a DSN says 5.1.1. */
  'late',
  /** Accepted; later a DSN says 5.2.2. */
  'latefull',
  /** Accepted; later the recipient's complaint comes as an ARF report. */
  'complaint',
  /** Accepted, with slow replies. */
  'tarpit',
] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

const NAMES: ReadonlySet<string> = new Set(BEHAVIOURS);
const PREFIX = /^([a-z]+)\+/i;

function isBehaviour(name: string): name is Behaviour {
  return NAMES.has(name);
}

/** `late+ann` -> `late`; null when the local part forces nothing. */
export function forcedBehaviour(localPart: string): Behaviour | null {
  const name = PREFIX.exec(localPart)?.[1]?.toLowerCase();
  return name !== undefined && isBehaviour(name) ? name : null;
}

/** Percent of the addresses of a domain; what is left over is accepted. */
export type Mix = Readonly<Partial<Record<Behaviour, number>>>;

/** Where `fraction` (0 <= x < 1) falls in `mix`. */
export function behaviourAt(mix: Mix, fraction: number): Behaviour {
  let upTo = 0;
  for (const behaviour of BEHAVIOURS) {
    upTo += mix[behaviour] ?? 0;
    if (fraction * 100 < upTo) return behaviour;
  }
  return 'accept';
}
