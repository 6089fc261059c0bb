/**
 * bounce/listener-process — a bounce listener as a process of its own, whose memory can be looked at.
 *
 *     fork('listener-process.ts', [databaseUrl])     tells { port }, then { peakBytes } when asked
 *
 * Ends when its parent is gone.
 */
import { startBounceListener } from '../../src/bounce/listener.ts';
import { createReception } from '../../src/bounce/reception.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { connect } from '../../src/kernel/postgres/connect.ts';
import { ring } from './returns.ts';

const sql = connect(process.argv[2] ?? '', { poolSize: 4 });
const listener = await startBounceListener(
  {
    reception: createReception({ sql, keyRing: ring, clock: () => new Date() }),
    log: createLogger('silent'),
  },
  { host: '127.0.0.1', port: 0, name: 'mx.bounce.example', maxMessageBytes: 60_000_000 },
);
process.on('message', () => {
  process.send?.({ peakBytes: process.resourceUsage().maxRSS * 1_024 });
});
process.once('disconnect', () => process.exit(0));
process.send?.({ port: listener.port });
