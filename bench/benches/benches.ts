/** bench/benches — all that can be measured, in the order of the output. */
import type { Bench } from '../harness/bench.ts';
import { endToEnd, endToEndSingleCopy } from './end-to-end.ts';

export const BENCHES: readonly Bench[] = [endToEnd, endToEndSingleCopy];
