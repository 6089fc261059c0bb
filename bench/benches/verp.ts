/** bench/verp — signed tokens: three of one id for a message, one checked for a bounce. */
import { createHmac, createSecretKey } from 'node:crypto';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { signToken, tokensOf, verifyToken } from '../../src/verp/token.ts';
import { perSecond } from '../harness/bench.ts';
import type { Bench } from '../harness/bench.ts';
import { SECRET } from '../harness/engine.ts';
import { micro, nothingToClose } from '../harness/micro.ts';

export const verp: Bench = {
  name: 'verp',
  measures: 'VERP tokens signed; beside it tokens verified, and a bare HMAC',
  headline: perSecond('tokens'),
  variants: (settings) => [settings],
  describe: () => ({}),
  async prepare(settings) {
    const n = settings.n ?? 200_000;
    const ring = createKeyRing([SECRET]);
    const tokens = Array.from({ length: 1_000 }, (_, i) => signToken(ring, 'delivery', BigInt(i)));
    const key = createSecretKey(Buffer.alloc(32, 7));
    const data = Buffer.alloc(8, 1);
    return {
      contenders: [
        micro('Volley, sign', 'volley', n, (i) => signToken(ring, 'delivery', BigInt(i))),
        micro('Volley, three of one id', 'other', n, (i) => {
          const token = tokensOf(ring, BigInt(i));
          token('delivery');
          token('feedback');
          token('unsubscribe');
        }),
        micro('Volley, verify', 'other', n, (i) => verifyToken(ring, tokens[i % 1_000] ?? '')),
        micro('bare HMAC-SHA-256', 'limit', n, () =>
          createHmac('sha256', key).update(data).digest(),
        ),
      ],
      notes: [],
      close: nothingToClose,
    };
  },
  bars: () => [],
};
