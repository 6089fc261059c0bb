/**
 * range/world — the domains of the practice world, and what each does to an address.
 *
 * Pure. Promises: `behaviourOf` and `expectedFate` are functions of (profiles, seed, address); the
 *           servers ask here too, so prediction and deed cannot part.
 * See:      range/behaviour.ts, range/fate.ts; test/range/world.test.ts holds the servers to it.
 */
import { behaviourAt, forcedBehaviour } from './behaviour.ts';
import type { Behaviour } from './behaviour.ts';
import { fateOfBehaviour, fateOfRouting } from './fate.ts';
import type { Fate } from './fate.ts';
import { checkProfiles } from './profile.ts';
import type { DomainProfile } from './profile.ts';
import { chance } from './random.ts';

export interface World {
  readonly seed: number;
  readonly profiles: readonly DomainProfile[];
  /** The profile that answers for a domain; null when the world does not know it. */
  profileOf(domain: string): DomainProfile | null;
}

/** How the range compares addresses: all in lower case. */
export function addressKey(address: string): string {
  return address.toLowerCase().normalize('NFC');
}

export function localPartOf(address: string): string {
  return address.slice(0, address.lastIndexOf('@'));
}

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}

export function createWorld(seed: number, profiles: readonly DomainProfile[]): World {
  checkProfiles(profiles);
  const byName = new Map(profiles.map((item) => [item.domain, item]));
  return {
    seed,
    profiles,
    profileOf(domain) {
      const name = domain.toLowerCase();
      const exact = byName.get(name);
      if (exact !== undefined) return exact;
      const dot = name.indexOf('.');
      return (dot < 1 ? undefined : byName.get(`*${name.slice(dot)}`)) ?? null;
    },
  };
}

/** What the hosts of `profile` do to `address`. */
export function behaviourOf(world: World, profile: DomainProfile, address: string): Behaviour {
  const forced = forcedBehaviour(localPartOf(address));
  return forced ?? behaviourAt(profile.mix, chance(world.seed, addressKey(address)));
}

export function expectedFate(world: World, address: string): Fate {
  const profile = world.profileOf(domainOf(address));
  if (profile === null) return 'no_such_domain';
  return fateOfRouting(profile.routing) ?? fateOfBehaviour(behaviourOf(world, profile, address));
}
