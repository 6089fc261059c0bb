/**
 * interop/stand — the real engine on one side, a foreign receiver on the other, a tap between.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:net';
import { expect, inject } from 'vitest';
import { startDelayProxy } from '../../bench/harness/delay-proxy.ts';
import { verifyBalance } from '../../src/campaigns/reports.ts';
import { parseId } from '../../src/kernel/ids.ts';
import { freePort } from '../../bench/harness/free-port.ts';
import { startWorld, statesOf, until } from '../harness/world.ts';
import type { Report, TestWorld } from '../harness/world.ts';
import { certificateFor } from '../mta/smtp-host.ts';
import type { Arrival, DoorName, ReceiverKind } from './receiver.ts';
import { enterRoom } from './room.ts';
import type { Room } from './room.ts';
import { startTap } from './tap.ts';
import type { Tap } from './tap.ts';

/** `late`: fails after it was accepted. `far`: the door `clear` at the end of a long line. */
export type Place = DoorName | 'late' | 'far';

export interface Stand {
  readonly kind: ReceiverKind;
  readonly world: TestWorld;
  readonly room: Room;
  readonly taps: ReadonlyMap<DoorName | 'far', Tap>;
  /** Domain whose mail goes to that door: `tls.postfix.example`. */
  domain(door: Place): string;
  /** All that was delivered by now. */
  arrivals(): Arrival[];
  stop(): Promise<void>;
}

const START_MS = 30_000;
/** A round trip. */
const FAR_MS = 50;

export async function startStand(kind: ReceiverKind): Promise<Stand> {
  const ports = { inner: await freePort() } as Record<DoorName | 'inner', number>;
  const taps = new Map<DoorName | 'far', Tap>();
  for (const door of kind.doors) {
    ports[door] = await freePort();
    taps.set(door, await startTap(ports[door]));
  }
  const line = await startDelayProxy(ports.clear, FAR_MS);
  taps.set('far', await startTap(line.port));
  const domain = (door: string): string => `${door}.${kind.name}.example`;
  const routes = [...taps].map(([door, { port }]) => `${domain(door)}=127.0.0.1:${port}`);
  routes.push(`${domain('late')}=127.0.0.1:${taps.get('tls')?.port ?? 0}`);
  const world = await startWorld({ env: { VOLLEY_ROUTES: routes.join(',') } });

  const room = enterRoom(inject('rooms')[kind.name] ?? '', kind.accounts);
  const { ca, key } = await certificateFor(`mx.${kind.name}.example`);
  const delivered = new Map<string, Arrival>();
  kind.start({ room, ports, bouncePort: world.engine.bouncePort, tls: { key, cert: ca } });
  for (const door of kind.doors) {
    const untilMs = Date.now() + START_MS;
    await until(async () => {
      if (Date.now() > untilMs) throw new Error(`${door} of ${kind.name} is shut: ${room.said()}`);
      return answers(ports[door]);
    });
  }
  return {
    kind,
    world,
    room,
    taps,
    domain,
    arrivals: () => readArrivals(kind, room, delivered),
    async stop() {
      await world.stop();
      for (const tap of taps.values()) await tap.close();
      await line.stop();
      await room.leave();
    },
  };
}

/** Whether a port greets. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', () => resolve(false));
    socket.once('data', () => {
      resolve(true);
      socket.end('QUIT\r\n');
    });
    socket.once('close', () => resolve(false));
  });
}

/** First words of the lines that answer EHLO. */
export async function keywordsAt(port: number): Promise<string[]> {
  const socket = connect({ host: '127.0.0.1', port });
  let said = '';
  for await (const bytes of socket) {
    const greeted = said !== '';
    said += String(bytes);
    if (!greeted) socket.write('EHLO client.shop.example\r\n');
    if (/^250 /m.test(said)) break;
  }
  return [...said.matchAll(/^250[- ](\S+)/gm)].map(([, keyword]) => keyword ?? '');
}

/** A file that was read is whole, and is not read again. */
function readArrivals(kind: ReceiverKind, room: Room, delivered: Map<string, Arrival>): Arrival[] {
  const folder = join(room.path, kind.mailFolder);
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (delivered.has(name)) continue;
    delivered.set(name, readArrival(kind, readFileSync(join(folder, name))));
  }
  return [...delivered.values()];
}

function readArrival(kind: ReceiverKind, file: Buffer): Arrival {
  // We write CRLF lines and no bare CR or LF, so nothing is lost when a receiver stores LF.
  const at = file.toString('latin1').search(/^DKIM-Signature:/m);
  const message = file.subarray(at).toString('latin1').replace(/\r?\n/g, '\r\n');
  return {
    ...kind.read(file),
    trace: file.subarray(0, at).toString('utf8'),
    message: Buffer.from(message, 'latin1'),
  };
}

export function addressesAt(stand: Stand, door: Place, who: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${who}${n}@${stand.domain(door)}`);
}

export function arrivalsOf(stand: Stand, addresses: readonly string[]): Arrival[] {
  const wanted = new Set(addresses.map((address) => address.toLowerCase()));
  return stand.arrivals().filter(({ recipient }) => wanted.has(recipient.toLowerCase()));
}

/** Mail servers deliver in their own time. */
export async function untilArrived(stand: Stand, addresses: readonly string[]): Promise<Arrival[]> {
  let found: Arrival[] = [];
  await until(() => {
    found = arrivalsOf(stand, addresses);
    return found.length >= addresses.length;
  });
  expect(found.map(({ recipient }) => recipient.toLowerCase()).sort()).toEqual(
    addresses.map((address) => address.toLowerCase()).sort(),
  );
  return found;
}

/**
 * How every test ends: the balance closes, the rows say the same as the rollups, and who is reported
 * accepted has the message once, the others not at all. `late`: accepted by a receiver that failed
 * to deliver afterwards.
 */
export async function closeAccounts(
  stand: Stand,
  id: string,
  late = false,
): Promise<Report['balance']> {
  const { world } = stand;
  const { balance } = await world.api.get<Report>(`/v1/campaigns/${id}/report`);
  expect(balance.closes).toBe(true);
  expect(await verifyBalance(world.engine.deps, parseId('cmp', id) ?? 0n)).toMatchObject({
    agrees: true,
  });
  const states = await statesOf(world.api, id);
  const counts = new Map<string, number>();
  for (const { recipient } of arrivalsOf(stand, [...states.keys()])) {
    const key = recipient.toLowerCase();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [address, state] of states) {
    const wanted = state === 'accepted' && !late ? 1 : 0;
    expect([address, counts.get(address) ?? 0]).toEqual([address, wanted]);
  }
  return balance;
}
