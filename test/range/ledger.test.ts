import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { LedgerBook } from '../../src/range/ledger.ts';

const at = new Date('2030-01-01T00:00:00Z');

function add(ledger: LedgerBook, n: number, recipients: readonly string[], replied = true): void {
  const bytes = Buffer.from(`message ${n}`);
  const messageId = n % 2 === 0 ? `<${n}@x.example>` : null;
  ledger.addMessage({
    acceptedAt: at,
    host: 'mx',
    mailFrom: 'b@x',
    recipients,
    messageId,
    bytes,
    replied,
  });
}

test('rows past the first capacity come back as they were put in', () => {
  const ledger = new LedgerBook({ keepMessages: 'hash' });
  for (let n = 0; n < 5_000; n += 1) add(ledger, n, [`u${n}@a.example`], n % 7 !== 0);
  for (const n of [0, 1, 1_023, 1_024, 2_048, 4_999]) {
    expect(ledger.messagesFor(`U${n}@A.example`)).toEqual([
      {
        acceptedAt: at,
        host: 'mx',
        mailFrom: 'b@x',
        recipients: [`u${n}@a.example`],
        messageId: n % 2 === 0 ? `<${n}@x.example>` : null,
        sizeBytes: `message ${n}`.length,
        sha256: createHash('sha256').update(`message ${n}`).digest('hex'),
        bytes: null,
        replied: n % 7 !== 0,
      },
    ]);
  }
  expect([...ledger.messages()]).toHaveLength(5_000);
  expect(ledger.counts.unreplied).toBe(Math.ceil(5_000 / 7));
});

test('a second copy is counted, whatever the case of the address', () => {
  const ledger = new LedgerBook({ keepMessages: 'all' });
  add(ledger, 1, ['a@x.example', 'b@x.example']);
  add(ledger, 2, ['A@x.example']);
  expect([...ledger.addressesAccepted()]).toEqual([
    ['a@x.example', 2],
    ['b@x.example', 1],
  ]);
  expect(ledger.messagesFor('a@x.example').map((item) => item.bytes?.toString())).toEqual([
    'message 1',
    'message 2',
  ]);
});

test('the same refusal adds up, another is another', () => {
  const ledger = new LedgerBook({ keepMessages: 'hash' });
  const later = new Date(at.getTime() + 5);
  ledger.addRefusal('a@x.example', 'rcpt', '450 busy', at);
  ledger.addRefusal('A@x.example', 'rcpt', '450 busy', later);
  ledger.addRefusal('a@x.example', 'dot', '554 no', later);
  expect(ledger.refusals('a@X.example')).toEqual([
    { stage: 'rcpt', reply: '450 busy', count: 2, firstAt: at, lastAt: later },
    { stage: 'dot', reply: '554 no', count: 1, firstAt: later, lastAt: later },
  ]);
  expect([...ledger.addressesRefused()]).toEqual(['a@x.example']);
  expect(ledger.counts.refusedRecipients).toBe(3);
});
