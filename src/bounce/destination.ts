/**
 * bounce/destination — whom a returning message is addressed to: the only addresses we take mail for.
 *
 * Pure. Promises: an address is a destination when a key of the ring signed its token and the token's
 *           kind fits the address, when it is a list command, or when it is postmaster or abuse (RFC
 *           5321 4.5.1, RFC 2142). A
 *           recipient that a receiver wrote behind the token (XVERP) goes with a batch token only.
 *           `address` is one spelling of it, so that the same message is recognised the second time.
 * Never:    knows which domains are ours: the listener asks for that.
 */
import { asciiDomain } from '../kernel/address.ts';
import { KINDS_OF_PURPOSE, parseReturnAddress, returnAddress } from '../verp/address.ts';
import type { ReturnPurpose } from '../verp/address.ts';
import { commandAddress, parseCommand } from './commands.ts';
import type { ListCommand } from './commands.ts';
import type { KeyRing } from '../verp/keyring.ts';
import { verifyToken } from '../verp/token.ts';
import type { Token } from '../verp/token.ts';

export type Destination =
  | {
      purpose: ReturnPurpose;
      token: Token;
      domain: string;
      address: string;
      /** Not signed: attribution looks for it in the batch. */
      recipient: string | null;
    }
  /** Whether a cookie is good, only its sender decides (commands.ts). */
  | {
      purpose: 'list';
      token: null;
      domain: string;
      address: string;
      command: ListCommand;
      recipient: null;
    }
  /** `domain` is null for a bare `postmaster`. */
  | {
      purpose: 'postmaster';
      token: null;
      domain: string | null;
      address: string;
      recipient: null;
    };

/** What the token of a destination names. */
export type Subject = { kind: 'delivery'; id: bigint } | { kind: 'batch'; id: bigint };

const ROLES = /^(?:postmaster|abuse)$/i;

export function readDestination(ring: KeyRing, address: string): Destination | null {
  const at = address.lastIndexOf('@');
  if (at < 0) return /^postmaster$/i.test(address) ? role('postmaster', null) : null;
  const local = address.slice(0, at);
  if (ROLES.test(local)) {
    const domain = asciiDomain(address.slice(at + 1));
    return domain === null ? null : role(local.toLowerCase(), domain);
  }
  const command = parseCommand(local);
  if (command !== null) {
    const domain = asciiDomain(address.slice(at + 1));
    if (domain === null) return null;
    const spelt = commandAddress(command, domain);
    return { purpose: 'list', token: null, domain, address: spelt, command, recipient: null };
  }
  const parsed = parseReturnAddress(address);
  const token = parsed === null ? null : verifyToken(ring, parsed.token);
  if (parsed === null || token === null) return null;
  const { purpose, domain, recipient } = parsed;
  if (!KINDS_OF_PURPOSE[purpose].includes(token.kind)) return null;
  if (recipient !== null && token.kind !== 'batch') return null;
  const name = recipient === null ? parsed.token : `${parsed.token}+${recipient.replace('@', '=')}`;
  return { purpose, token, domain, recipient, address: returnAddress(purpose, name, domain) };
}

function role(name: string, domain: string | null): Destination {
  const address = domain === null ? name : `${name}@${domain}`;
  return { purpose: 'postmaster', token: null, domain, address, recipient: null };
}

export function subjectOf(token: Token): Subject {
  const batch = token.kind === 'batch' || token.kind === 'unsubscribe_batch';
  return { kind: batch ? 'batch' : 'delivery', id: token.id };
}
