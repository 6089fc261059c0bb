/** bench/render — the template alone: subject, text and HTML of one recipient, encoded. */
import Handlebars from 'handlebars';
import { compileContentParts } from '../../src/campaigns/source/content.ts';
import { chooseEncoding } from '../../src/campaigns/source/encode.ts';
import { composeSkeleton } from '../../src/campaigns/source/skeleton.ts';
import { perSecond } from '../harness/bench.ts';
import type { Bench } from '../harness/bench.ts';
import { campaignContent, DOMAIN } from '../harness/message.ts';
import { micro, nothingToClose } from '../harness/micro.ts';

export function variablesOf(n: number): Record<string, unknown> {
  return {
    name: `Name ${n}`,
    points: n % 997,
    city: 'Berlin',
    email: `user${n}@d1.example`,
    unsubscribe_url: `https://${DOMAIN}/u/token${n}`,
  };
}

export const render: Bench = {
  name: 'render',
  measures: 'bodies rendered and encoded, personalised; the limit is Handlebars alone, not encoded',
  headline: perSecond('bodies'),
  variants: (settings) => [settings],
  describe: ({ sizeBytes }) => ({ sizeBytes }),
  async prepare({ n, sizeBytes }) {
    const count = n ?? 20_000;
    const content = campaignContent(sizeBytes, true);
    const stored = { subject: content.subject, html: content.source, text: content.text };
    const encoding = chooseEncoding([stored.html, stored.text]);
    const skeleton = await composeSkeleton({
      fromAddress: `news@${DOMAIN}`,
      displayName: 'Corner Shop',
      encoding,
      boundary: 'bench',
    });
    const parts = compileContentParts(stored, skeleton, encoding);
    const html = Handlebars.compile(stored.html);
    const text = Handlebars.compile(stored.text, { noEscape: true });
    return {
      contenders: [
        micro('Volley', 'volley', count, (i) => {
          const variables = variablesOf(i);
          return [parts.subject(variables), parts.body(variables)];
        }),
        micro('Handlebars alone', 'limit', count, (i) => {
          const variables = variablesOf(i);
          return [html(variables), text(variables)];
        }),
      ],
      notes: [],
      close: nothingToClose,
    };
  },
  bars: () => [],
};
