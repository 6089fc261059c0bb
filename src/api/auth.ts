/**
 * api/auth — who calls: `Authorization: Bearer vk_...` -> key id and scopes.
 *
 * Promises: a look-up that succeeded is believed for at most a second, so a revoked key is refused
 *           within a second everywhere; failed look-ups are never remembered. What does not look
 *           like a key costs no query. The memory of look-ups is bounded.
 * Fails:    `unauthenticated`, in the same words whatever was wrong.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import type { Caller } from './environment.ts';
import { hashKey } from './keys.ts';
import { isScope } from './scopes.ts';
import { selectLiveKey } from './store.ts';

const REMEMBERED_MS = 1_000;
const MAX_REMEMBERED = 1_000;
const BEARER = /^Bearer +(\S+) *$/i;

export type Authenticate = (authorization: string | undefined) => Promise<Caller>;

export function createAuthenticate(sql: Sql, clock: Clock): Authenticate {
  const remembered = new Map<string, { caller: Caller; until: number }>();

  return async (authorization) => {
    const key = BEARER.exec(authorization ?? '')?.[1];
    const hash = key === undefined ? null : hashKey(key);
    if (hash === null) throw refusal();
    const name = Buffer.from(hash).toString('base64');
    const now = clock().getTime();
    const known = remembered.get(name);
    // Both ends: a clock that is set back must not prolong what we believe.
    if (known !== undefined && now < known.until && now >= known.until - REMEMBERED_MS) {
      return known.caller;
    }
    remembered.delete(name);

    const row = await selectLiveKey(sql, hash);
    if (row === undefined || !timingSafeEqual(row.hash, hash)) throw refusal();
    const caller: Caller = { keyId: row.id, scopes: row.scopes.filter(isScope) };
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    // Counted from before the look-up: the row may have been revoked while we waited for it.
    remembered.set(name, { caller, until: now + REMEMBERED_MS });
    return caller;
  };
}

function refusal(): AppError {
  return new AppError('unauthenticated', 'a valid API key is needed: Authorization: Bearer vk_...');
}
