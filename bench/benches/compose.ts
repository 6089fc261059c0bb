/**
 * bench/compose — whole messages as campaigns/source makes them: VERP, links, MIME, headers, DKIM.
 *
 * Beside it nodemailer, which composes a MIME tree for each recipient.
 */
import MailComposer from 'nodemailer/lib/mail-composer';
import { createMessageSource } from '../../src/campaigns/source.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { perSecond } from '../harness/bench.ts';
import type { Bench, Contender, Prepared } from '../harness/bench.ts';
import { SECRET } from '../harness/engine.ts';
import { fillCampaign, keepKeys } from '../harness/fill.ts';
import { campaignContent, DOMAIN, fillFor } from '../harness/message.ts';
import { microAsync } from '../harness/micro.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';

export const compose: Bench = {
  name: 'compose',
  measures: 'whole personalised messages made, without sending them',
  headline: perSecond('messages'),
  variants: (settings) =>
    settings.dkim !== null
      ? [settings]
      : [
          { ...settings, dkim: 'none' },
          { ...settings, dkim: 'rsa' },
        ],
  describe: ({ dkim, sizeBytes }) => ({ dkim: dkim ?? 'none', sizeBytes }),
  prepare,
  bars: () => [],
};

async function prepare(settings: Settings): Promise<Prepared> {
  const { n, dkim, sizeBytes } = settings;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const database = await server.create();
  stack.onRelease('database', () => database.drop());
  const { campaignId } = await fillCampaign(database.sql, { n: 1, state: 'sending', sizeBytes });
  await keepKeys(database.sql, dkim);
  const source = createMessageSource({
    sql: database.sql,
    clock: () => new Date(),
    secret: SECRET,
    previousSecrets: [],
  });
  const messages = await source.open(campaignId);
  const count = n ?? (dkim === 'rsa' ? 5_000 : 20_000);
  const contenders: Contender[] = [
    microAsync('Volley', 'volley', count, (i) =>
      messages.render({
        deliveryId: BigInt(i),
        recipientId: BigInt(i),
        address: `user${i}@d1.example`,
        name: `Name ${i}`,
        variablesJson: JSON.stringify({ points: i % 997, city: 'Berlin' }),
      }),
    ),
  ];
  // It signs through its transports only, so it is compared without.
  if (dkim !== 'rsa' && dkim !== 'ed25519') contenders.push(nodemailer(count, sizeBytes));
  return { contenders, notes: [], close: () => stack.release() };
}

function nodemailer(count: number, sizeBytes: number): Contender {
  const { subject, source, text } = campaignContent(sizeBytes, true);
  return microAsync('nodemailer MailComposer', 'peer', Math.ceil(count / 4), (i) => {
    const fill = fillFor(i);
    return new MailComposer({
      from: `Corner Shop <news@${DOMAIN}>`,
      to: `user${i}@d1.example`,
      subject: fill(subject),
      html: fill(source),
      text: fill(text),
    })
      .compile()
      .build();
  });
}
