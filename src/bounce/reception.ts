/**
 * bounce/reception — what came back, whichever way it came: SMTP, HTTP, a mailbox, a file.
 *
 * Promises: every way in asks the same questions and records the same rows. `keep` resolves after the
 *           commit. The same message to the same destination is recorded once, by whatever ways and
 *           however often it comes.
 * Fails:    rejects when the database is away or full; nothing was recorded then, try again later.
 * See:      listener.ts, sources/, api/routes/inbound.ts; addressing.ts for what has no envelope.
 */
import type { Clock } from '../kernel/clock.ts';
import { findAddressed, traced } from './addressing.ts';
import { createBounceDomains } from './bounce-domains.ts';
import { classify as classifyBuiltin } from './classify.ts';
import type { Classifier } from './classify.ts';
import { readCookie, writerOf } from './commands.ts';
import { readDestination } from './destination.ts';
import type { Destination } from './destination.ts';
import { inspect } from './inspect.ts';
import type { Inspection } from './inspection.ts';
import { fingerprintOf, STORED_BYTES } from './intake.ts';
import type { Intake } from './intake.ts';
import { readMessage } from './message.ts';
import { createReturnRecorder } from './record.ts';
import type { RecordDeps } from './record.ts';
import { plainText } from './suppressions/entry.ts';

export interface ReceptionDeps extends RecordDeps {
  clock: Clock;
  /** The built-in rules when absent. */
  classify?: Classifier;
}

export interface Kept {
  destination: Destination;
  /** null: recorded before. */
  inboundId: bigint | null;
  inspection: Inspection;
}

export interface Reception {
  /** The destination that `address` is for this sender; null when it is none of ours. */
  destinationOf(address: string, envelopeSender: string): Promise<Destination | null>;
  /** Records a message for each of `destinations`. */
  keep(
    intake: Intake,
    envelopeSender: string,
    destinations: readonly Destination[],
  ): Promise<Kept[]>;
  /**
   * For a message whose envelope is lost: it is kept for the destination that its own fields name,
   * or the signed trace in what it returns. null when nothing in it is ours; then nothing is kept.
   */
  keepUnaddressed(intake: Intake): Promise<Kept | null>;
}

export function createReception(deps: ReceptionDeps): Reception {
  const domains = createBounceDomains(deps.sql, deps.clock);
  const recorder = createReturnRecorder(deps);
  const classify = deps.classify ?? classifyBuiltin;

  async function destinationOf(
    address: string,
    envelopeSender: string,
  ): Promise<Destination | null> {
    const destination = readDestination(deps.keyRing, address);
    if (destination === null || destination.domain === null) return destination;
    if (!confirms(deps, destination, envelopeSender)) return null;
    return (await domains.has(destination.domain)) ? destination : null;
  }

  async function keep(
    intake: Intake,
    envelopeSender: string,
    destinations: readonly Destination[],
    inspection = inspect(intake.kept, classify),
  ): Promise<Kept[]> {
    const message = {
      envelopeSender: plainText(envelopeSender) ?? '',
      raw: intake.kept.subarray(0, STORED_BYTES),
      inspection,
      receivedAt: deps.clock(),
    };
    return await Promise.all(
      destinations.map(async (destination) => {
        const fingerprint = fingerprintOf(destination.address, intake.digest);
        const { inboundId } = await recorder.record({ ...message, destination, fingerprint });
        return { destination, inboundId, inspection };
      }),
    );
  }

  return {
    destinationOf,
    keep: (intake, envelopeSender, destinations) => keep(intake, envelopeSender, destinations),
    async keepUnaddressed(intake) {
      const { headers } = readMessage(intake.kept);
      const { candidates, envelopeSender } = findAddressed(headers);
      let destination: Destination | null = null;
      for (const address of candidates) {
        const found = readDestination(deps.keyRing, address);
        // `To: postmaster@` says nothing of who got the message.
        if (found === null || found.purpose === 'postmaster') continue;
        destination = await destinationOf(address, envelopeSender);
        if (destination !== null) break;
      }
      const inspection = inspect(intake.kept, classify);
      destination ??= traced(deps.keyRing, inspection);
      if (destination === null) return null;
      const [kept] = await keep(intake, envelopeSender, [destination], inspection);
      return kept ?? null;
    },
  };
}

/** A cookie is good for the address it was sent to, and for ten days. */
function confirms(deps: ReceptionDeps, destination: Destination, envelopeSender: string): boolean {
  if (destination.purpose !== 'list' || destination.command.verb !== 'confirm') return true;
  const { command, domain } = destination;
  const writer = writerOf(envelopeSender);
  if (writer === null) return false;
  return readCookie(deps.keyRing, command.cookie, domain, writer.key, deps.clock()) !== null;
}
