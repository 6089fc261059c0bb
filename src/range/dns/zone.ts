/**
 * range/dns/zone — what the practice world's DNS says to a question.
 *
 * Pure. Promises: MX, A, AAAA, CNAME and SOA for its domains; names it has, without that type, get
 *           NOERROR and no answer; names it does not have get NXDOMAIN, the `nxdomain` domains too.
 *           The SOA of a negative answer says how long that may be believed (RFC 2308).
 */
import { assertNever } from '../../kernel/errors.ts';
import type { Answer, Question } from 'dns-packet';
import type { Host, HostPlan } from '../hosts.ts';
import type { DomainProfile } from '../profile.ts';
import type { World } from '../world.ts';

export type ZoneReply =
  | { kind: 'answer'; code: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL'; answers: Answer[]; soa: boolean }
  | { kind: 'silent' };

export interface Zone {
  resolve(question: Question): ZoneReply;
  soa: Answer;
}

const NO_DATA: ZoneReply = { kind: 'answer', code: 'NOERROR', answers: [], soa: true };
const NO_NAME: ZoneReply = { kind: 'answer', code: 'NXDOMAIN', answers: [], soa: true };
const FAILURE: ZoneReply = { kind: 'answer', code: 'SERVFAIL', answers: [], soa: false };

function answer(answers: Answer[]): ZoneReply {
  return answers.length === 0 ? NO_DATA : { kind: 'answer', code: 'NOERROR', answers, soa: false };
}

function startOfAuthority(ttlSeconds: number): Answer {
  return {
    name: 'example',
    type: 'SOA',
    ttl: ttlSeconds,
    data: {
      mname: 'ns.range.example',
      rname: 'postmaster.range.example',
      serial: 1,
      refresh: 3_600,
      retry: 600,
      expire: 86_400,
      minimum: Math.min(ttlSeconds, 5),
    },
  };
}

/** `records` come before everything else that there is of their names. */
export function withRecords(zone: Zone, records: readonly Answer[]): Zone {
  return {
    soa: zone.soa,
    resolve(question) {
      const name = question.name.toLowerCase();
      const given = records.filter((record) => record.name.toLowerCase() === name);
      if (given.length === 0) return zone.resolve(question);
      return answer(given.filter(({ type }) => type === question.type));
    },
  };
}

export function createZone(world: World, plan: HostPlan, ttlSeconds: number): Zone {
  const hostByName = new Map(plan.hosts.map((host) => [host.name, host]));

  function addresses(host: Host, question: Question): ZoneReply {
    const { name, type } = question;
    if (type === 'A' && host.ipv4 !== null) {
      return answer([{ name, type, ttl: ttlSeconds, data: host.ipv4 }]);
    }
    if (type === 'AAAA' && host.ipv6 !== null) {
      return answer([{ name, type, ttl: ttlSeconds, data: host.ipv6 }]);
    }
    return NO_DATA;
  }

  function exchanges(profile: DomainProfile, name: string): Answer[] {
    return plan.hostsOf(profile).map(({ preference, name: exchange }) => {
      return { name, type: 'MX', ttl: ttlSeconds, data: { preference, exchange } };
    });
  }

  function ofDomain(profile: DomainProfile, question: Question): ZoneReply {
    const { name, type } = question;
    const { routing } = profile;
    switch (routing.kind) {
      case 'mx':
      case 'hosted':
      case 'refuses':
        return type === 'MX' ? answer(exchanges(profile, name)) : NO_DATA;
      case 'alias': {
        const cname: Answer = { name, type: 'CNAME', ttl: ttlSeconds, data: routing.of };
        const rest = type === 'MX' ? exchanges(profile, routing.of) : [];
        return answer([cname, ...rest]);
      }
      case 'null_mx':
        if (type !== 'MX') return NO_DATA;
        return answer([{ name, type, ttl: ttlSeconds, data: { preference: 0, exchange: '.' } }]);
      case 'implicit_mx':
        // The domain is its own host, found by its address.
        return NO_DATA;
      case 'nxdomain':
        return NO_NAME;
      case 'servfail':
        return FAILURE;
      case 'silent':
        return { kind: 'silent' };
      default:
        return assertNever(routing);
    }
  }

  return {
    soa: startOfAuthority(ttlSeconds),
    resolve(question) {
      const name = question.name.toLowerCase();
      const host = hostByName.get(name);
      if (host !== undefined) return addresses(host, question);
      const profile = world.profileOf(name);
      return profile === null ? NO_NAME : ofDomain(profile, question);
    },
  };
}
