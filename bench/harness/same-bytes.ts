/**
 * bench/same-bytes — whoever sends less than Volley in each message does less work.
 *
 * Promises: where the sink counts bytes (our own), the mean message of every contender, without its DKIM
 *           signature, is within TOLERANCE of Volley's in the same round, or its run is a fault.
 *           Volley is the first contender.
 */
import type { Contender, Sample } from './bench.ts';
import type { Sink } from './sink.ts';

/** A relay's Received field is 2 % of a message of 10 KB; below that size it is this many bytes. */
const TOLERANCE = 0.05;
const TOLERANCE_BYTES = 512;

interface Seen {
  bytes: number;
  messages: number;
}

export function comparingBytes(sink: Sink, contenders: readonly Contender[]): Contender[] {
  let ours: number | null = null;
  return contenders.map((contender) => ({
    ...contender,
    async run(round: number): Promise<Sample> {
      const before = await seenBy(sink);
      const taken = await contender.run(round);
      const after = await seenBy(sink);
      const messages = after.messages - before.messages;
      if (messages === 0 || after.bytes === 0) return taken;
      const each = (after.bytes - before.bytes) / messages;
      if (contender.role === 'volley') ours = each;
      return {
        ...taken,
        figures: { ...taken.figures, messageBytes: each },
        faults: [...taken.faults, ...faultsOf(each, ours)],
      };
    },
  }));
}

async function seenBy(sink: Sink): Promise<Seen> {
  return { bytes: (await sink.bytes()) ?? 0, messages: await sink.messages() };
}

function faultsOf(each: number, ours: number | null): string[] {
  if (ours === null) return [];
  if (Math.abs(each - ours) <= Math.max(ours * TOLERANCE, TOLERANCE_BYTES)) return [];
  return [`${Math.round(each)} bytes a message, Volley ${Math.round(ours)}`];
}
