/** bench/bounce-parse — returned messages understood: MIME, DSN, wording, class. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from '../../src/bounce/inspect.ts';
import { classify } from '../../src/bounce/classify.ts';
import { perSecond } from '../harness/bench.ts';
import type { Bench } from '../harness/bench.ts';
import { micro, nothingToClose } from '../harness/micro.ts';

const FIXTURES = join(import.meta.dirname, '../../test/fixtures/bounces');
const REPLY = {
  code: 550,
  enhanced: '5.1.1',
  text: 'The email account that you tried to reach does not exist. gsmtp',
  stage: 'rcpt',
} as const;

export const bounceParse: Bench = {
  name: 'bounce-parse',
  measures: 'returned messages inspected (all fixtures in turn); beside it SMTP replies classified',
  headline: perSecond('messages'),
  variants: (settings) => [settings],
  describe: () => ({}),
  async prepare(settings) {
    const n = settings.n ?? 10_000;
    const files = readdirSync(FIXTURES).filter((name) => name.endsWith('.eml'));
    const messages = files.map((name) => readFileSync(join(FIXTURES, name)));
    return {
      contenders: [
        micro('Volley', 'volley', n, (i) =>
          inspect(messages[i % messages.length] ?? Buffer.alloc(0)),
        ),
        micro('classify one reply', 'other', n, () => classify(REPLY)),
      ],
      notes: [`${files.length} messages of ${files.length} families`],
      close: nothingToClose,
    };
  },
  bars: () => [],
};
