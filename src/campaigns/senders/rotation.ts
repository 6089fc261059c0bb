/**
 * campaigns/senders/rotation — new DKIM keys for a sender, without a message that fails to verify.
 *
 *     add        the key exists, sealed, and signs nothing: publish its record
 *     activate   from now on it signs, beside the others
 *     retire     it signs no more; its record stays until mail that it signed has arrived
 *
 * Promises: a key is activated only when its record is seen in the DNS with our key in it (or the
 *           caller insists). A sender always keeps one active key. A running campaign signs with the
 *           new set within a second (NOTIFY; campaigns/source.ts forgets what it has compiled).
 *           Asking for the state a key has already changes nothing.
 * Fails:    `conflict` (not published, last active key, selector taken), `not_found`.
 */
import { AppError, assertNever, invalidValue } from '../../kernel/errors.ts';
import type { Tx } from '../../kernel/postgres/connect.ts';
import type { CampaignDeps, TxtAnswer } from '../deps.ts';
import { generateDkimKey } from './dkim-keys.ts';
import type { DkimAlgorithm } from './dkim-keys.ts';
import { dkimRecord, keepUntil } from './dns-records.ts';
import type { DnsRecord } from './dns-records.ts';
import {
  insertDkimKey,
  lockSender,
  notifySender,
  selectAllDkimKeys,
  selectSender,
  setDkimKeyState,
} from './store.ts';
import type { DkimKeyRow, SenderRow } from './store.ts';

export interface SenderKey {
  selector: string;
  algorithm: DkimAlgorithm;
  state: DkimKeyRow['state'];
  createdAt: Date;
  retiredAt: Date | null;
  /** Of a retired key: not before then. */
  removeRecordAfter: Date | null;
  dnsRecord: DnsRecord;
}

const NO_DNS: TxtAnswer = { status: 'unknown', reason: 'there is no DNS to ask' };
/** Every message carries one signature a key: more are a mistake, and cost. */
const MAX_LIVE_KEYS = 10;
const SELECTOR = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export async function listSenderKeys(deps: CampaignDeps, id: bigint): Promise<SenderKey[]> {
  const sender = await requireSender(deps, id);
  return (await selectAllDkimKeys(deps.sql, [id])).map((key) => present(sender, key));
}

export async function addSenderKey(
  deps: CampaignDeps,
  id: bigint,
  input: { algorithm: DkimAlgorithm; selector: string | null },
): Promise<SenderKey> {
  const selector = input.selector?.toLowerCase();
  if (selector !== undefined && !SELECTOR.test(selector)) {
    throw invalidValue('/selector', 'must be one DNS label');
  }
  const sender = await requireSender(deps, id);
  const made = await generateDkimKey(deps.secret, input.algorithm, selector);
  return deps.sql.begin(async (tx) => {
    const keys = await lockKeys(tx, id);
    if (keys.some((key) => key.selector === made.selector)) {
      throw new AppError('conflict', `the sender has a key with the selector ${made.selector}`);
    }
    if (keys.filter((key) => key.state !== 'retired').length >= MAX_LIVE_KEYS) {
      throw new AppError('conflict', `the sender has ${MAX_LIVE_KEYS} keys: retire one first`);
    }
    return present(sender, await insertDkimKey(tx, id, made, 'pending'));
  });
}

/** `unseen`: without looking whether the record is published. */
export async function activateSenderKey(
  deps: CampaignDeps,
  id: bigint,
  selector: string,
  unseen: boolean,
): Promise<SenderKey> {
  const sender = await requireSender(deps, id);
  const known = findKey(await selectAllDkimKeys(deps.sql, [id]), selector);
  if (known.state !== 'active' && !unseen) await requirePublished(deps, sender, known);
  return deps.sql.begin(async (tx) => {
    const key = findKey(await lockKeys(tx, id), selector);
    if (key.state === 'active') return present(sender, key);
    return changed(tx, sender, await setDkimKeyState(tx, key.id, 'active', null));
  });
}

export async function retireSenderKey(
  deps: CampaignDeps,
  id: bigint,
  selector: string,
): Promise<SenderKey> {
  const sender = await requireSender(deps, id);
  return deps.sql.begin(async (tx) => {
    const keys = await lockKeys(tx, id);
    const key = findKey(keys, selector);
    if (key.state === 'retired') return present(sender, key);
    if (!keys.some((other) => other.state === 'active' && other.id !== key.id)) {
      throw new AppError('conflict', 'it is the last active key: activate another one first');
    }
    return changed(tx, sender, await setDkimKeyState(tx, key.id, 'retired', deps.clock()));
  });
}

async function requireSender(deps: CampaignDeps, id: bigint): Promise<SenderRow> {
  const sender = await selectSender(deps.sql, id);
  if (sender === undefined) throw new AppError('not_found', 'no such sender');
  return sender;
}

/** One rotation of a sender at a time: two that each retire "the other one" must not both succeed. */
async function lockKeys(tx: Tx, id: bigint): Promise<DkimKeyRow[]> {
  await lockSender(tx, id);
  return selectAllDkimKeys(tx, [id]);
}

function findKey(keys: readonly DkimKeyRow[], selector: string): DkimKeyRow {
  const key = keys.find((one) => one.selector === selector.toLowerCase());
  if (key === undefined) throw new AppError('not_found', 'the sender has no such key');
  return key;
}

async function changed(tx: Tx, sender: SenderRow, key: DkimKeyRow): Promise<SenderKey> {
  await notifySender(tx, sender.id);
  return present(sender, key);
}

function present(sender: SenderRow, key: DkimKeyRow): SenderKey {
  const { selector, state, createdAt, retiredAt } = key;
  return {
    selector,
    algorithm: key.algorithm as DkimAlgorithm,
    state,
    createdAt,
    retiredAt,
    removeRecordAfter: retiredAt === null ? null : keepUntil(retiredAt),
    dnsRecord: dkimRecord(sender.domain, key),
  };
}

async function requirePublished(
  deps: CampaignDeps,
  sender: SenderRow,
  key: DkimKeyRow,
): Promise<void> {
  const { name } = dkimRecord(sender.domain, key);
  const found = (await deps.lookupTxt?.(name)) ?? NO_DNS;
  switch (found.status) {
    case 'answer':
      if (found.texts.some((text) => publicKeyOf(text) === key.publicKey)) return;
      throw new AppError('conflict', `${name} is published with another key`);
    case 'none':
      throw new AppError('conflict', `${name} is not published (yet), or not seen from here`);
    case 'unknown':
      throw new AppError('conflict', `${name} cannot be looked up: ${found.reason}`);
    default:
      return assertNever(found);
  }
}

/** The p= tag of a DKIM record (RFC 6376 3.6.1), without its white space. */
function publicKeyOf(record: string): string | null {
  const tag = record.split(';').find((part) => /^\s*p\s*=/.test(part));
  return tag === undefined ? null : tag.replace(/^\s*p\s*=/, '').replace(/\s+/g, '');
}
