import { expect, test } from 'vitest';
import { createConverter } from '../../src/campaigns/templates/converter.ts';

const html = (source: string) => ({ format: 'html' as const, source, text: null });

test('one at a time, and a crowd is sent away', async () => {
  const convert = createConverter();
  const asked = Array.from({ length: 12 }, (_, index) =>
    convert(html(`<p>${index}</p>`)).then(
      (result) => (result.ok ? result.text.trim() : 'fault'),
      (error: unknown) => (error as { code: string }).code,
    ),
  );
  const answers = await Promise.all(asked);
  expect(answers.slice(0, 9)).toEqual(Array.from({ length: 9 }, (_, index) => String(index)));
  expect(answers.slice(9)).toEqual(['overloaded', 'overloaded', 'overloaded']);
  // The crowd has gone.
  expect(await convert(html('<p>again</p>'))).toMatchObject({ ok: true });
});

test('a source that holds its thread does not hold this one, and those behind it get their turn', async () => {
  const convert = createConverter();
  let turns = 0;
  const clock = setInterval(() => (turns += 1), 10);
  const slow = convert(html('<div>'.repeat(60_000)));
  const next = convert(html('<p>next</p>'));
  expect(await next).toMatchObject({ ok: true, text: 'next\n' });
  await slow;
  clearInterval(clock);
  expect(turns).toBeGreaterThan(5);
}, 60_000);

test('an html source with its text needs no thread and is not touched', async () => {
  const input = { format: 'html' as const, source: '<p> a </p>\n', text: 'b' };
  expect(await createConverter()(input)).toEqual({ ok: true, html: '<p> a </p>\n', text: 'b' });
});
