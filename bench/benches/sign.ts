/** bench/sign — DKIM: body hash and signature of one message; the limit is the bare signature. */
import { sign as signWithKey } from 'node:crypto';
import { hashBody } from '../../src/mta/dkim.ts';
import { perSecond } from '../harness/bench.ts';
import type { Bench } from '../harness/bench.ts';
import { createMessageMaker, recipientOf } from '../harness/message.ts';
import { microAsync, nothingToClose } from '../harness/micro.ts';
import { createBenchSigner, privateKeyFor } from '../harness/signer.ts';

const DIFFERENT = 100;

export const sign: Bench = {
  name: 'sign',
  measures: 'messages DKIM-signed (relaxed/relaxed, body hash included)',
  headline: perSecond('messages'),
  variants: (settings) =>
    settings.dkim !== null && settings.dkim !== 'none'
      ? [settings]
      : [
          { ...settings, dkim: 'rsa' },
          { ...settings, dkim: 'ed25519' },
        ],
  describe: ({ dkim, sizeBytes }) => ({ dkim: dkim ?? 'rsa', sizeBytes }),
  async prepare({ n, dkim, sizeBytes }) {
    const algorithm = dkim === 'ed25519' ? 'ed25519' : 'rsa';
    const count = n ?? (algorithm === 'rsa' ? 5_000 : 30_000);
    const signer = createBenchSigner(algorithm);
    const maker = createMessageMaker(sizeBytes);
    const messages = Array.from({ length: DIFFERENT }, (_, i) => {
      const { headers, body } = maker(i, recipientOf(i, 50));
      return { headers, body: Buffer.from(body, 'latin1') };
    });
    const key = privateKeyFor(algorithm);
    const data = Buffer.alloc(1_000, 'a');
    return {
      contenders: [
        microAsync('Volley', 'volley', count, async (i) => {
          const message = messages[i % DIFFERENT];
          if (message === undefined) return;
          await signer?.signHeaders(message.headers, hashBody(message.body));
        }),
        microAsync('bare signature', 'limit', count, () => signBare(algorithm, data, key)),
      ],
      notes: [],
      close: nothingToClose,
    };
  },
  bars: () => [],
};

function signBare(
  algorithm: 'rsa' | 'ed25519',
  data: Buffer,
  key: ReturnType<typeof privateKeyFor>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signWithKey(algorithm === 'rsa' ? 'sha256' : null, data, key, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}
