/**
 * campaigns/routing/words — the small values of routes and sources, checked once.
 *
 * Pure. A checker answers the value as it is stored, or null when it is none.
 */
import { domainToASCII } from 'node:url';
import ipaddr from 'ipaddr.js';
import { asciiDomain } from '../../kernel/address.ts';
import { AppError } from '../../kernel/errors.ts';
import type { FieldError } from '../../kernel/errors.ts';

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const POOL = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;
const MAX_FOLDER_DEPTH = 5;
/** What fits into `sockaddr_un`. */
const MAX_SOCKET_PATH_BYTES = 100;
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** Collects what is wrong, so that all of it is told at once. */
export interface Complaints {
  refuse(pointer: string, detail: string): void;
  /** Throws when there was something. */
  settle(sentence: string): void;
}

export function createComplaints(): Complaints {
  const errors: FieldError[] = [];
  return {
    refuse: (pointer, detail) => void errors.push({ pointer, code: 'invalid_value', detail }),
    settle(sentence) {
      if (errors.length > 0) throw new AppError('invalid_request', sentence, { errors });
    },
  };
}

/** `shop.example`, `*.shop.example`, `*.cn`, `*`; lower-case ASCII. */
export function checkPattern(text: string): string | null {
  const pattern = text.trim();
  if (pattern === '*') return pattern;
  if (!pattern.startsWith('*.')) return asciiDomain(pattern);
  const suffix = checkHostName(pattern.slice(2));
  return suffix === null ? null : `*.${suffix}`;
}

/** An IP address, or a name, of one label too (`localhost`, a container). */
export function checkHost(text: string): string | null {
  const host = text.trim().replace(/^\[(.*)\]$/, '$1');
  return ipaddr.isValid(host) && /[.:]/.test(host) ? host.toLowerCase() : checkHostName(host);
}

function checkHostName(text: string): string | null {
  // The IDNA mapping would drop a line break.
  if (text === '' || text.length > 253 || CONTROL.test(text)) return null;
  const ascii = domainToASCII(text).toLowerCase();
  const fits = ascii.split('.').every((label) => LABEL.test(label));
  return fits && ascii.length <= 253 && !/^[\d.]+$/.test(ascii) ? ascii : null;
}

export function checkIp(text: string): string | null {
  const address = text.trim();
  return ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address)
    ? address.toLowerCase()
    : null;
}

export function checkPool(text: string): string | null {
  return POOL.test(text) ? text : null;
}

/** Below the mail folder: `archive/shop`. No `..`, nothing hidden, nothing absolute. */
export function checkFolder(text: string): string | null {
  const segments = text.split('/');
  const fits = segments.length <= MAX_FOLDER_DEPTH && segments.every((one) => SEGMENT.test(one));
  return fits ? text : null;
}

export function checkSocketPath(text: string): string | null {
  const fits = text.startsWith('/') && Buffer.byteLength(text) <= MAX_SOCKET_PATH_BYTES;
  return fits && !CONTROL.test(text) ? text : null;
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** A user name or a password: no control characters, 1 to `maxBytes` octets. */
export function isWord(text: string, maxBytes: number): boolean {
  const bytes = Buffer.byteLength(text);
  return bytes >= 1 && bytes <= maxBytes && !CONTROL.test(text) && text.isWellFormed();
}
