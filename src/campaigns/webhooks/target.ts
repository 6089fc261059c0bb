/**
 * campaigns/webhooks/target — which URLs may be posted to. Pure.
 *
 * Promises: https to public addresses, and http or https to this machine itself (127.0.0.0/8, ::1,
 *           `localhost`). Never to a private network: who may add webhooks must not reach services
 *           that only our network can (SSRF). A name is looked up for every attempt, and what it
 *           resolves to is checked with `mayReach` before the connection is made to just that.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { isPublic } from '../../mta/public-address.ts';

const MAX_URL = 2_000;

/** What is wrong with it, or null. */
export function targetProblem(text: string): string | null {
  if (text.length > MAX_URL) return `is longer than ${MAX_URL} characters`;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return 'must be an https: URL';
  if (url.username !== '' || url.password !== '') return 'may not hold a user name or password';
  if (url.hash !== '') return 'may not have a fragment';
  const host = hostOf(url);
  if (isIP(host) !== 0 && !mayReach(host, host)) return 'is an address of a private network';
  if (url.protocol === 'http:' && !isOwnHost(host))
    return 'must be https:, unless it is this machine';
  return null;
}

/** Without the brackets of IPv6. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/** Whether `address`, which `host` resolves to, may be connected to. */
export function mayReach(host: string, address: string): boolean {
  return isPublic(address) || (isOwnHost(host) && isLoopback(address));
}

function isOwnHost(host: string): boolean {
  return host === 'localhost' || isLoopback(host);
}

function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.parse(address).range() === 'loopback';
}
