/**
 * campaigns/campaign — a campaign as the API and the reports see it, and its states.
 *
 * See: DESIGN.md "States and commit points"; lifecycle.ts makes the transitions.
 */
import type { campaigns } from '../../drizzle/schema.ts';
import { effectiveMode } from './mode.ts';
import type { DeliveryMode, EffectiveMode } from './mode.ts';

type CampaignTable = typeof campaigns.$inferSelect;
export type Stream = CampaignTable['stream'];
export type CampaignState = CampaignTable['state'];
export type AmbiguityPolicy = CampaignTable['ambiguityPolicy'];

export const TRANSITIONS = ['start', 'pause', 'resume', 'cancel'] as const;
export type Transition = (typeof TRANSITIONS)[number];

/** From which states a person may ask for what. All other changes of state are the engine's. */
export const TRANSITION_SOURCES: Record<Transition, readonly CampaignState[]> = {
  start: ['draft'],
  pause: ['expanding', 'sending'],
  resume: ['paused'],
  cancel: ['draft', 'expanding', 'sending', 'paused'],
};

export function allowedTransitions(state: CampaignState): Transition[] {
  return TRANSITIONS.filter((transition) => TRANSITION_SOURCES[transition].includes(state));
}

/** A row of `campaigns` with what is wanted of its content. */
export type CampaignRow = CampaignTable & {
  subject: string;
  format: string;
  variables: string[];
  heldProviders: { id: string; provider: string; reason: string; since: string }[];
};

/** A provider that the campaign's mail is held back from (campaigns/alarms/pauses.ts). */
export interface HeldProvider {
  pauseId: bigint;
  provider: string;
  reason: string;
  since: Date;
}

export interface Campaign {
  id: bigint;
  name: string;
  senderId: bigint;
  contentId: bigint;
  /** The template of the subject, not a rendered one. */
  subject: string;
  /** Names the content uses; empty when it is the same for all. */
  variables: string[];
  stream: Stream;
  /** As asked. */
  mode: DeliveryMode;
  /** As it is sent. */
  effectiveMode: EffectiveMode;
  ttlSeconds: number;
  ambiguityPolicy: AmbiguityPolicy;
  requireTls: boolean;
  state: CampaignState;
  /** Why an alarm paused it. */
  pauseReason: string | null;
  heldProviders: HeldProvider[];
  allowedTransitions: Transition[];
  recipientCount: number;
  expandedCount: number;
  createdAt: Date;
  startedAt: Date | null;
  expiresAt: Date | null;
  finishedAt: Date | null;
}

export function toHeldProvider({
  id,
  since,
  ...rest
}: CampaignRow['heldProviders'][number]): HeldProvider {
  return { ...rest, pauseId: BigInt(id), since: new Date(since) };
}

export function toCampaign(row: CampaignRow): Campaign {
  return {
    id: row.id,
    name: row.name,
    senderId: row.senderId,
    contentId: row.contentId,
    subject: row.subject,
    variables: row.variables,
    stream: row.stream,
    mode: row.mode,
    effectiveMode: effectiveMode(row.mode, row.variables, row.stream),
    ttlSeconds: row.ttlSeconds,
    ambiguityPolicy: row.ambiguityPolicy,
    requireTls: row.requireTls,
    state: row.state,
    pauseReason: row.pauseReason,
    heldProviders: row.heldProviders.map(toHeldProvider),
    allowedTransitions: allowedTransitions(row.state),
    recipientCount: Number(row.recipientCount),
    expandedCount: Number(row.expandedCount),
    createdAt: row.createdAt,
    startedAt: row.startedAt,
    expiresAt: row.expiresAt,
    finishedAt: row.finishedAt,
  };
}
