import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { signToken, TOKEN_KINDS, verifyToken } from '../../src/verp/token.ts';
import type { TokenKind } from '../../src/verp/token.ts';

const SECRET = 'a secret of more than thirty-two characters';
const ring = createKeyRing([SECRET]);
const ids = fc.oneof(fc.bigInt(0n, 2n ** 63n - 1n), fc.bigInt(0n, 100_000n));
const kinds = fc.constantFrom(...TOKEN_KINDS);
/** What a local part, a path segment or a careless copy could hold in place of a letter. */
const CHARACTERS = Array.from(
  'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+-_.=@ \u212aſıé\0',
);

describe('a token', () => {
  test('comes back as it was signed, in any case, within 36 characters of local-part letters', () => {
    fc.assert(
      fc.property(kinds, ids, fc.func(fc.boolean()), (kind, id, upper) => {
        const text = signToken(ring, kind, id);
        expect(text).toMatch(/^[a-z2-7]{23,36}$/);
        const folded = text.replace(/./g, (c, i: number) => (upper(i) ? c.toUpperCase() : c));
        expect(verifyToken(ring, folded)).toEqual({ kind, id });
      }),
    );
  });

  test('is refused after every change of a single character that is not only case', () => {
    fc.assert(
      fc.property(kinds, ids, (kind, id) => {
        const text = signToken(ring, kind, id);
        for (let at = 0; at < text.length; at += 1) {
          for (const other of CHARACTERS) {
            if (/^[a-z]$/i.test(other) && other.toLowerCase() === text[at]) continue;
            if (other === text[at]) continue;
            expect(verifyToken(ring, text.slice(0, at) + other + text.slice(at + 1))).toBeNull();
          }
        }
      }),
      { numRuns: 25 },
    );
  });

  test('is refused with a character more or less, and so is any other text', () => {
    fc.assert(
      fc.property(kinds, ids, fc.constantFrom(...CHARACTERS), fc.nat(40), (kind, id, extra, at) => {
        const text = signToken(ring, kind, id);
        expect(verifyToken(ring, text.slice(0, at) + extra + text.slice(at))).toBeNull();
        expect(
          verifyToken(ring, text.slice(0, at % text.length) + text.slice((at % text.length) + 1)),
        ).toBeNull();
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => verifyToken(ring, text) === null),
    );
  });

  test('of one kind never works as another', () => {
    const seen = new Map<string, TokenKind>();
    for (let id = 0n; id < 500n; id += 1n) {
      for (const kind of TOKEN_KINDS) {
        const text = signToken(ring, kind, id);
        expect(seen.has(text)).toBe(false);
        seen.set(text, kind);
        expect(verifyToken(ring, text)?.kind).toBe(kind);
        // The MAC of one kind under the head of another.
        for (const other of TOKEN_KINDS) {
          if (other === kind) continue;
          const head = signToken(ring, other, id).slice(0, 2);
          const forged = head + text.slice(2);
          if (forged !== text) expect(verifyToken(ring, forged)).toBeNull();
        }
      }
    }
  });

  test('the same id under two kinds differs in the MAC too', () => {
    expect(signToken(ring, 'delivery', 7n).slice(-19)).not.toBe(
      signToken(ring, 'batch', 7n).slice(-19),
    );
  });
});

describe('keys', () => {
  const next = 'the next secret, also more than thirty-two';

  test('an unknown key is refused', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 32 }), kinds, ids, (secret, kind, id) => {
        fc.pre(secret !== SECRET);
        expect(verifyToken(ring, signToken(createKeyRing([secret]), kind, id))).toBeNull();
      }),
      { numRuns: 300 },
    );
  });

  test('after rotation the former key verifies and the new one signs', () => {
    const rotated = createKeyRing([next, SECRET]);
    const before = signToken(ring, 'delivery', 42n);
    const after = signToken(rotated, 'delivery', 42n);
    expect(verifyToken(rotated, before)).toEqual({ kind: 'delivery', id: 42n });
    expect(verifyToken(rotated, after)).toEqual({ kind: 'delivery', id: 42n });
    expect(after).toBe(signToken(createKeyRing([next]), 'delivery', 42n));
    expect(verifyToken(ring, after)).toBeNull();
    expect(verifyToken(createKeyRing([next]), before)).toBeNull();
  });

  test('two keys that share an id both verify', () => {
    const byId = new Map<number, string>();
    let pair: string[] = [];
    for (let i = 0; pair.length === 0; i += 1) {
      const secret = `secret number ${String(i).padStart(32, '0')}`;
      const id = createKeyRing([secret]).signing.id;
      const other = byId.get(id);
      if (other !== undefined) pair = [other, secret];
      byId.set(id, secret);
    }
    for (const secret of pair) {
      const token = signToken(createKeyRing([secret]), 'feedback', 1n);
      expect(verifyToken(createKeyRing(pair), token)).toEqual({ kind: 'feedback', id: 1n });
    }
  });

  test('a ring without a secret is a bug', () => {
    expect(() => createKeyRing([])).toThrow('at least one secret');
  });

  test('the layout does not change: tokens on their way must come home after an upgrade', () => {
    const fixed = createKeyRing(['0123456789abcdef0123456789abcdef']);
    expect(signToken(fixed, 'delivery', 1n)).toBe('ccaacniwnvuehgq3svcgwefe');
    expect(signToken(fixed, 'unsubscribe_batch', 2n ** 63n - 1n)).toBe(
      'coah7777777777775iplw7zssjf4dl3btjuq',
    );
  });
});
