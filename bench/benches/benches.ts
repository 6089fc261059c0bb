/** bench/benches — all that can be measured, in the order of the output. */
import type { Bench } from '../harness/bench.ts';
import { bounceListener } from './bounce-listener.ts';
import { bounceParse } from './bounce-parse.ts';
import { compose } from './compose.ts';
import { endToEnd, endToEndSingleCopy } from './end-to-end.ts';
import { expandBench } from './expand.ts';
import { importBench } from './import.ts';
import { claimBench, recordBench } from './queue.ts';
import { render } from './render.ts';
import { periodReports } from './period-reports.ts';
import { reports } from './reports.ts';
import { resolve } from './resolve.ts';
import { restart } from './restart.ts';
import { retention } from './retention.ts';
import { scale } from './scale.ts';
import { sessions } from './sessions.ts';
import { sign } from './sign.ts';
import { smtpClient } from './smtp-client.ts';
import { soak } from './soak.ts';
import { suppressions } from './suppressions.ts';
import { verp } from './verp.ts';

export const BENCHES: readonly Bench[] = [
  endToEnd,
  endToEndSingleCopy,
  smtpClient,
  sessions,
  verp,
  render,
  compose,
  sign,
  importBench,
  expandBench,
  claimBench,
  recordBench,
  bounceParse,
  bounceListener,
  suppressions,
  reports,
  resolve,
  periodReports,
  restart,
  retention,
  scale,
  soak,
];
