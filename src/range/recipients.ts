/**
 * range/recipients — a list of people to send to, as a customer would upload it.
 *
 * Pure. Promises: the same (count, seed, profiles) gives the same rows; no address twice for up to ten
 *           million rows; rows come one at a time, so a list of any length costs no memory. Which
 *           behaviour an address meets is hidden in its hash, not in its looks.
 */
import type { Random } from '../kernel/clock.ts';
import { DEFAULT_PROFILES } from './default-world.ts';
import { PEOPLE } from './names.ts';
import type { DomainProfile } from './profile.ts';
import { createRandom, pick } from './random.ts';
import type { World } from './world.ts';

export interface RecipientRow {
  email: string;
  name: string;
  city: string;
  language: 'zh' | 'ko' | 'en';
  /** A number to personalise with. */
  points: number;
}

/** Coprime to SPAN, so that every index has its own number. */
const STEP = 7_654_321;
const SPAN = 10_000_000;
const TAIL_DOMAINS = 150;
const TRADES = ['trade', 'metal', 'design', 'legal', 'foods', 'travel', 'print', 'care'] as const;

/** Draws profiles by weight. */
function byWeight(profiles: readonly DomainProfile[]): (random: Random) => DomainProfile {
  const total = profiles.reduce((sum, item) => sum + item.weight, 0);
  return (random) => {
    let left = random() * total;
    let last = profiles[0];
    for (const item of profiles) {
      if (item.weight <= 0) continue;
      last = item;
      left -= item.weight;
      if (left < 0) break;
    }
    if (last === undefined) throw new Error('range: a world without domains');
    return last;
  };
}

/** `*.tail.example` -> `metal-41.tail.example`. */
function concreteDomain(item: DomainProfile, random: Random): string {
  if (!item.domain.startsWith('*')) return item.domain;
  const number = Math.floor(random() * TAIL_DOMAINS);
  const trade = TRADES[number % TRADES.length] ?? 'trade';
  return `${trade}-${number}${item.domain.slice(1)}`;
}

/** Letters, then the number: no two indexes share one. */
function localPart(
  item: DomainProfile,
  given: string,
  family: string,
  number: number,
  r: Random,
): string {
  if (item.family === 'qq' && r() < 0.8) return String(1_000_000_000 + number);
  const form = Math.floor(r() * 4);
  if (form === 0) return `${given}.${family}${number}`;
  if (form === 1) return `${family}_${given}${number}`;
  if (form === 2) return `${given}${family.charAt(0)}${number}`;
  return `${family}${given}${number}`;
}

export function* generateRecipients(
  count: number,
  seed: number,
  world: Pick<World, 'profiles'> = { profiles: DEFAULT_PROFILES },
): Generator<RecipientRow, void> {
  const random = createRandom(seed);
  const draw = byWeight(world.profiles);
  const offset = Math.floor(random() * SPAN);
  for (let index = 0; index < count; index += 1) {
    const item = draw(random);
    const people = PEOPLE[item.people];
    const [family, familyLatin] = pick(random, people.family);
    const [given, givenLatin] = pick(random, people.given);
    const number = (offset + index * STEP) % SPAN;
    yield {
      email: `${localPart(item, givenLatin, familyLatin, number, random)}@${concreteDomain(item, random)}`,
      name: people.familyFirst ? `${family}${given}` : `${given} ${family}`,
      city: pick(random, people.cities),
      language: people.language,
      points: Math.floor(random() * 5_000),
    };
  }
}
