/** cli/report — the balance and the report of a campaign as table rows. */
import type { Cell } from './table.ts';

export interface BalanceFigures {
  recipients: number;
  accepted: number;
  bouncedLate: number;
  bounced: number;
  expired: number;
  suppressed: number;
  cancelled: number;
  ambiguous: number;
  pending: number;
}

const PARTS = {
  accepted: 'accepted',
  bouncedLate: 'bounced late',
  bounced: 'bounced',
  expired: 'expired',
  suppressed: 'suppressed',
  cancelled: 'cancelled',
  ambiguous: 'ambiguous',
  pending: 'pending',
} as const;

/** `recipients` first, then its parts, then whether they add up. */
export function balanceRows(balance: BalanceFigures): Cell[][] {
  const parts = Object.keys(PARTS) as (keyof typeof PARTS)[];
  const sum = parts.reduce((total, part) => total + balance[part], 0);
  return [
    ['recipients', balance.recipients],
    ...parts.map((part) => [`  ${PARTS[part]}`, balance[part]]),
    ['balance', sum === balance.recipients ? 'closes' : `off by ${balance.recipients - sum}`],
  ];
}
