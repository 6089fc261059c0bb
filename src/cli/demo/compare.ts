/**
 * cli/demo/compare — does our report agree with what the world saw, recipient by recipient?
 *
 * Pure. Three witnesses: the report (API), the range's ledger (what its hosts really hold), and the
 * fate the range had in store for the address. Every disagreement is a line.
 */
import { fateFacts } from '../../range/fate.ts';
import type { Fate } from '../../range/fate.ts';

export interface RecipientEvidence {
  address: string;
  /** Delivery state of the report. */
  state: string;
  fate: Fate;
  /** Messages the range's hosts hold for the address. */
  received: number;
  suppressed: boolean;
}

/** The disagreements about one recipient; none when all witnesses agree. */
export function disagreements(evidence: RecipientEvidence): string[] {
  const { address, state, fate, received, suppressed } = evidence;
  const facts = fateFacts(fate);
  const found: string[] = [];
  const say = (text: string): void => {
    found.push(`${address} (${facts.meaning}): ${text}`);
  };
  if (!(facts.ends as readonly string[]).includes(state)) {
    say(`reported ${state}, expected ${facts.ends.join(' or ')}`);
  }
  if (state === 'accepted' && received === 0) say('reported accepted, no host has it');
  if (state !== 'accepted' && state !== 'ambiguous' && received > 0) {
    say(`reported ${state}, but a host has it`);
  }
  if (received > 1) say(`received ${received} times`);
  if (facts.suppression === 'must' && !suppressed) say('is not on the suppression list');
  if (facts.suppression === 'must_not' && suppressed) say('is wrongly on the suppression list');
  return found;
}
