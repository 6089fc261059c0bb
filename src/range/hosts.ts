/**
 * range/hosts — which MX hosts a world needs, on which loopback addresses, and who serves whom.
 *
 * Pure. `many`: every host has an address of its own under 127.1.0.0/16. `one`: all share 127.0.0.1
 * (macOS gives loopback to that address alone); a host that has to refuse connections then stands at
 * ::1, where nobody listens.
 */
import { invariant } from '../kernel/errors.ts';
import type { DomainProfile } from './profile.ts';
import type { World } from './world.ts';

export type Addressing = 'many' | 'one';

export interface Host {
  name: string;
  preference: number;
  ipv4: string | null;
  ipv6: string | null;
  /** Somebody listens. */
  alive: boolean;
  /** The domain it belongs to. */
  owner: DomainProfile;
}

export interface HostPlan {
  addressing: Addressing;
  hosts: readonly Host[];
  /** Hosts that the MX (or address) records of a domain lead to. */
  hostsOf(profile: DomainProfile): readonly Host[];
}

const NOBODY_HOME_IPV6 = '::1';
const MAX_HOSTS = 60_000;

/** `*.tail.example` -> `mx1.tail.example`. */
function hostName(profile: DomainProfile, number: number): string {
  return `mx${number}.${profile.domain.replace(/^\*\./, '')}`;
}

/** 127.1.0.1 and on, without the ends of a /24. */
function addressAt(index: number): string {
  return `127.1.${Math.floor(index / 250)}.${1 + (index % 250)}`;
}

function hostsOwned(profile: DomainProfile): Pick<Host, 'name' | 'alive' | 'ipv6'>[] {
  const { routing } = profile;
  if (routing.kind === 'implicit_mx') {
    return [{ name: profile.domain, alive: true, ipv6: null }];
  }
  if (routing.kind === 'refuses') {
    return [{ name: hostName(profile, 1), alive: false, ipv6: null }];
  }
  if (routing.kind !== 'mx') return [];
  return Array.from({ length: routing.hosts }, (_, i) => {
    const alive = i >= (routing.dead ?? 0);
    const ipv6 = routing.ipv6 === true && alive && i === 0 ? NOBODY_HOME_IPV6 : null;
    return { name: hostName(profile, i + 1), alive, ipv6 };
  });
}

export function planHosts(world: World, addressing: Addressing, ipv6Works: boolean): HostPlan {
  const hosts: Host[] = [];
  const owned = new Map<string, Host[]>();
  let ipv6Free = ipv6Works && addressing === 'many';
  for (const owner of world.profiles) {
    const own = hostsOwned(owner).map((item, i): Host => {
      invariant(hosts.length < MAX_HOSTS, 'the range has no address left');
      const onIpv6 = item.ipv6 !== null && ipv6Free;
      if (onIpv6) ipv6Free = false;
      const shared = addressing === 'one';
      const host: Host = {
        name: item.name,
        preference: (i + 1) * 10,
        ipv4: !shared ? addressAt(hosts.length) : item.alive ? '127.0.0.1' : null,
        ipv6: onIpv6 || (shared && !item.alive) ? NOBODY_HOME_IPV6 : null,
        alive: item.alive,
        owner,
      };
      hosts.push(host);
      return host;
    });
    owned.set(owner.domain, own);
  }
  return { addressing, hosts, hostsOf: (profile) => owned.get(servingDomain(profile)) ?? [] };
}

/** The domain whose hosts take the mail of `profile`. */
export function servingDomain(profile: DomainProfile): string {
  const { routing } = profile;
  if (routing.kind === 'hosted') return routing.by;
  return routing.kind === 'alias' ? routing.of : profile.domain;
}
