/** bench/print — a result as a table for people. */
import { formatTable } from '../../src/cli/table.ts';
import { reached } from './bench.ts';
import type { Bar, ContenderResult, Headline, Measured, Spread } from './bench.ts';
import { formatNumber } from './rounds.ts';

export function spreadText({ median, min, max }: Spread): string {
  return `${formatNumber(median)} (${formatNumber(min)}-${formatNumber(max)})`;
}

export function resultTable(result: Measured, headline: Headline): string {
  const ours = result.contenders.find(({ role }) => role === 'volley');
  const rows = result.contenders.map((one) => [
    one.name,
    spreadText(one.headline),
    ratioText(ours, one),
    one.cpuUs === null ? '-' : formatNumber(one.cpuUs),
    one.peakRssMb === null ? '-' : one.peakRssMb,
  ]);
  return formatTable(
    ['', `${headline.unit}, median (min-max)`, 'Volley is', 'CPU us each', 'peak RSS MB'],
    rows,
  );
}

export function ratioText(ours: ContenderResult | undefined, one: ContenderResult): string {
  if (ours === undefined || one.headline.median === 0) return '';
  if (one.role === 'volley' || one.role === 'other') return '';
  return `${formatNumber(ours.headline.median / one.headline.median)} x`;
}

export function figureLines(result: Measured): string[] {
  return result.contenders.flatMap(({ name, figures }) => {
    const entries = Object.entries(figures).map(([key, value]) => `${key} ${formatNumber(value)}`);
    return entries.length === 0 ? [] : [`${name}: ${entries.join(', ')}`];
  });
}

export function barText(bar: Bar, caveats: readonly string[]): string {
  const want = `${bar.better === 'higher' ? '>=' : '<='} ${formatNumber(bar.want)}`;
  if (bar.got === null) return `${bar.what}: not measured (bar ${want})`;
  return `${bar.what}: ${formatNumber(bar.got)} (bar ${want}) ${verdictText(bar, caveats, 'MISSED')}`;
}

/** `reached, one run`: never the word alone where less was done than the bar asks for. */
export function verdictText(bar: Bar, caveats: readonly string[], missed: string): string {
  if (bar.got === null) return '';
  return [reached(bar) ? 'reached' : missed, ...caveats].join(', ');
}
