import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cutBody,
  isAsciiMessage,
  messageFrom,
  plainBody,
  stuffMessage,
  wholeMessage,
} from '../../src/mta/message.ts';
import type { WireBody } from '../../src/mta/message.ts';
import { Segment } from '../../src/mta/segment.ts';
import { bytesOf } from '../harness/message.ts';

const segmentsOf = (texts: readonly string[]): Segment[] =>
  texts.map((text) => new Segment(Buffer.from(text, 'latin1')));

const wireOf = (body: WireBody | null): string | null =>
  body === null ? null : Buffer.concat(body.parts).toString('latin1') + body.end;

/** What a cut may stand in the middle of. */
const texts = fc.array(
  fc
    .array(fc.constantFrom('a', '.', '\r\n', '\r', '\n', '\r\n.', 'é', 'line\r\n'), {
      maxLength: 6,
    })
    .map((pieces) => pieces.join('')),
  { minLength: 1, maxLength: 6 },
);

test('however it is cut, a message goes over the wire as if it were whole', () => {
  let refused = 0;
  let many = 0;
  fc.assert(
    fc.property(texts, (cut) => {
      const message = messageFrom(segmentsOf(cut));
      const whole = wholeMessage(Buffer.from(cut.join(''), 'latin1'));
      const stuffed = stuffMessage(message);
      expect(wireOf(stuffed)).toBe(wireOf(stuffMessage(whole)));
      expect(wireOf(plainBody(message))).toBe(cut.join(''));
      expect(message.sizeBytes).toBe(whole.sizeBytes);
      expect(isAsciiMessage(message)).toBe(isAsciiMessage(whole));
      if (stuffed === null) refused += 1;
      else expect(stuffed.sizeBytes + stuffed.end.length).toBe(wireOf(stuffed)?.length);
      if (message.segments.length > 1) many += 1;
    }),
    { numRuns: 3_000 },
  );
  // Otherwise it shows nothing.
  expect(refused).toBeGreaterThan(100);
  expect(many).toBeGreaterThan(100);
});

test('whoever takes it in blocks takes all of it, in order, once', () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 9 }), (cut, blockBytes) => {
      const body = plainBody(messageFrom(segmentsOf(cut)));
      let taken = '';
      for (let from = 0; from < body.sizeBytes; from += blockBytes) {
        const to = Math.min(from + blockBytes, body.sizeBytes);
        const block = Buffer.concat(cutBody(body, from, to));
        expect(block.length).toBe(to - from);
        taken += block.toString('latin1');
      }
      expect(taken).toBe(cut.join(''));
    }),
  );
});

describe('segments', () => {
  test('are not copied: messages share them', () => {
    const shared = new Segment(Buffer.from('the same for all\r\n'));
    const bodies = ['Dear A\r\n', 'Dear B\r\n'].map((line) => {
      const message = messageFrom([new Segment(Buffer.from(line)), shared]);
      return { plain: plainBody(message).parts[1], stuffed: stuffMessage(message)?.parts[1] };
    });
    for (const { plain, stuffed } of bodies) {
      expect(plain).toBe(shared.bytes);
      expect(stuffed).toBe(shared.bytes);
    }
  });

  test('are stuffed once', () => {
    const shared = new Segment(Buffer.from('.dot\r\n'));
    expect(shared.stuffed()).toBe(shared.stuffed());
    expect(shared.stuffed()?.toString()).toBe('..dot\r\n');
  });

  test('become one where a cut hides the beginning of a line', () => {
    expect(messageFrom(segmentsOf(['a', '.b\r\n'])).segments).toHaveLength(1);
    expect(stuffMessage(messageFrom(segmentsOf(['a\r', '.b\r\n'])))).toBeNull();
    expect(messageFrom(segmentsOf(['a\r\n', '.b\r\n'])).segments).toHaveLength(2);
    expect(bytesOf(messageFrom(segmentsOf(['a', '', 'b']))).toString()).toBe('ab');
  });
});
