/** cli/report — the balance and the report of a campaign as table rows. */
import type { Cell } from './table.ts';

export interface BalanceFigures {
  recipients: number;
  accepted: number;
  bounced: number;
  expired: number;
  suppressed: number;
  cancelled: number;
  ambiguous: number;
  pending: number;
}

const PARTS = [
  'accepted',
  'bounced',
  'expired',
  'suppressed',
  'cancelled',
  'ambiguous',
  'pending',
] as const;

/** `recipients` first, then its parts, then whether they add up. */
export function balanceRows(balance: BalanceFigures): Cell[][] {
  const sum = PARTS.reduce((total, part) => total + balance[part], 0);
  return [
    ['recipients', balance.recipients],
    ...PARTS.map((part) => [`  ${part}`, balance[part]]),
    ['balance', sum === balance.recipients ? 'closes' : `off by ${balance.recipients - sum}`],
  ];
}
