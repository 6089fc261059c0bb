/**
 * bench/delay-proxy — a long line on loopback: every byte arrives `rttMs / 2` later, both ways.
 *
 * A process of its own, so that its work is not measured as the sender's. No kernel modules.
 *
 *     fork('delay-proxy.ts', [targetPort, rttMs])   tells `{ port }`
 */
import { fork } from 'node:child_process';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { answerOf, dismiss } from './child.ts';
import { heldByRun, killed } from './run-scope.ts';

export interface DelayProxy {
  port: number;
  stop(): Promise<void>;
}

export async function startDelayProxy(targetPort: number, rttMs: number): Promise<DelayProxy> {
  const child = fork(fileURLToPath(import.meta.url), [String(targetPort), String(rttMs)]);
  heldByRun('delay', () => killed(child));
  const { port } = await answerOf<{ port: number }>('the delay proxy', child);
  return { port, stop: () => dismiss(child) };
}

function relay(from: Socket, to: Socket, delayMs: number): void {
  from.on('data', (bytes) => setTimeout(() => to.writable && to.write(bytes), delayMs));
  from.on('end', () => setTimeout(() => to.end(), delayMs));
  from.on('error', () => to.destroy());
}

function serve(targetPort: number, delayMs: number): void {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = connect({
      port: targetPort,
      host: '127.0.0.1',
      noDelay: true,
      allowHalfOpen: true,
    });
    relay(near, far, delayMs);
    relay(far, near, delayMs);
  });
  server.listen(0, '127.0.0.1', () =>
    process.send?.({ port: (server.address() as AddressInfo).port }),
  );
  process.on('disconnect', () => process.exit(0));
}

if (import.meta.main && process.send !== undefined) {
  serve(Number(process.argv[2]), Number(process.argv[3]) / 2);
}
