/**
 * range/random — chance that can be repeated.
 *
 * Pure. Promises: the same seed and text give the same number on every machine and in every run, so
 * that a test can say beforehand what the world will do to an address. Not for secrets.
 */
import type { Random } from '../kernel/clock.ts';

const PRIME = 0x01000193;

/** Murmur3's finalizer: spreads every input bit over the whole word. */
function avalanche(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** FNV-1a over UTF-16 units, then mixed; 0 .. 2^32-1. */
export function hash32(seed: number, text: string): number {
  let word = (0x811c9dc5 ^ avalanche(seed)) >>> 0;
  for (let i = 0; i < text.length; i += 1) word = Math.imul(word ^ text.charCodeAt(i), PRIME);
  return avalanche(word);
}

/** The same as a fraction, 0 <= x < 1. */
export function chance(seed: number, text: string): number {
  return hash32(seed, text) / 4_294_967_296;
}

/** Ten characters that look like a queue id, always the same for the same text. */
export function tokenOf(seed: number, text: string): string {
  const word = hash32(seed ^ 0x70ce4, text).toString(36) + hash32(seed ^ 0x51d, text).toString(36);
  return word.padEnd(10, '0').slice(0, 10);
}

/** mulberry32: a sequence of fractions from a seed. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One of `choices`. */
export function pick<T>(random: Random, choices: readonly [T, ...T[]]): T {
  return choices[Math.floor(random() * choices.length)] ?? choices[0];
}
