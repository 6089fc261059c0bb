/**
 * bench/peers — other systems that send the same bytes to the same sink in the same run.
 *
 * Promises: a peer that is not here is named in the notes, never guessed.
 */
import type { Contender } from '../harness/bench.ts';
import type { CampaignPlan } from '../harness/campaign.ts';
import type { Sink } from '../harness/sink.ts';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';

export interface PeerTask {
  sink: Sink;
  /** Where to connect: the sink, or the delay before it. */
  port: number;
  plan: CampaignPlan;
  recipientsEach: number;
}

export interface Peers {
  contenders: Contender[];
  notes: string[];
}

export async function peersFor(_stack: ResourceStack, _task: PeerTask): Promise<Peers> {
  return { contenders: [], notes: [] };
}
