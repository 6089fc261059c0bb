/**
 * test/mta/orders — delivery requests made of plain lists, that keep what they are told.
 */
import { createMta } from '../../src/mta/deliver.ts';
import type { MtaEngine, MtaOptions } from '../../src/mta/deliver.ts';
import type { RecipientOutcome } from '../../src/mta/outcome.ts';
import { createRoutes, staticRules } from '../../src/mta/routes.ts';
import type { Routes } from '../../src/mta/routes.ts';
import type {
  DeliveryRequest,
  Protection,
  SiteFailure,
  Transaction,
} from '../../src/mta/transaction.ts';
import { MESSAGE } from './session-driver.ts';
import { messageOfLines } from '../harness/message.ts';
import { wholeMessage } from '../../src/mta/message.ts';

/** Short enough for tests, long enough for a busy machine. */
export const QUICK = {
  greetingMs: 2_000,
  ehloMs: 2_000,
  startTlsMs: 2_000,
  tlsMs: 2_000,
  mailMs: 2_000,
  rcptMs: 2_000,
  dataMs: 2_000,
  blockMs: 2_000,
  dotMs: 2_000,
  rsetMs: 2_000,
  quitMs: 500,
};

export function makeMta(options: Partial<MtaOptions> = {}): MtaEngine {
  return createMta({
    heloName: 'client.test',
    routes: createRoutes([]),
    allowPrivateMx: true,
    maxConnections: 500,
    maxConnectionsPerSite: 10,
    maxMessagesPerConnection: 100,
    maxMessagesPerRoundTrip: 8,
    connectTimeoutMs: 2_000,
    idleMs: 50,
    timeouts: QUICK,
    now: () => new Date(),
    random: Math.random,
    ...options,
  });
}

/** Everything to this host. */
export function allTo(route: string): Routes {
  return createRoutes(staticRules({ '*': route }));
}

export interface Order {
  request: DeliveryRequest;
  outcomes: RecipientOutcome[];
  siteFailures: SiteFailure[];
  pulled: Transaction[];
}

export interface OrderOptions {
  domain?: string;
  protection?: Protection;
  maxLanes?: number;
  /** Recipients of each transaction, one by default. */
  recipients?: number[];
  message?: Uint8Array;
  marked?: () => Promise<void>;
  firstId?: bigint;
  /** Called before each pull. */
  beforeNext?: () => Promise<void> | void;
}

/** `count` transactions, or as many as `recipients` has numbers. */
export function makeOrder(count: number, options: OrderOptions = {}): Order {
  const domain = options.domain ?? 'x.test';
  const sizes = options.recipients ?? Array.from({ length: count }, () => 1);
  let id = options.firstId ?? 1n;
  let next = 0;
  const order: Order = {
    outcomes: [],
    siteFailures: [],
    pulled: [],
    request: {
      domain,
      ...(options.protection === undefined ? {} : { protection: options.protection }),
      maxLanes: options.maxLanes ?? 10,
      async next() {
        await options.beforeNext?.();
        const size = sizes[next];
        if (size === undefined) return null;
        next += 1;
        const recipients = Array.from({ length: size }, () => {
          const recipient = { id, address: `r${id}@${domain}` };
          id += 1n;
          return recipient;
        });
        const transaction: Transaction = {
          envelopeSender: `b+${next}@bounce.test`,
          envelopeId: `e${next}`,
          recipients,
          message:
            options.message === undefined ? messageOfLines(MESSAGE) : wholeMessage(options.message),
          marked: options.marked?.() ?? Promise.resolve(),
        };
        order.pulled.push(transaction);
        return transaction;
      },
      onOutcome: (outcome) => void order.outcomes.push(outcome),
      onSiteFailure: (failure) => void order.siteFailures.push(failure),
    },
  };
  return order;
}

/** `accepted: 3, deferred@rcpt(450): 1`, sorted. */
export function tally(order: Order): string {
  const counts = new Map<string, number>();
  for (const { result, stage, failure, reply } of order.outcomes) {
    const name =
      result === 'accepted' ? result : `${result}@${stage}(${failure ?? reply?.code ?? ''})`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ');
}

/** Every recipient that was pulled has exactly one outcome. */
export function isBalanced(order: Order): boolean {
  const expected = order.pulled.flatMap(({ recipients }) => recipients.map(({ id }) => id));
  const got = order.outcomes.map(({ recipientId }) => recipientId);
  return (
    expected.length === got.length &&
    new Set(got).size === got.length &&
    expected.every((id) => got.includes(id))
  );
}
