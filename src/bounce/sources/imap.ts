/**
 * bounce/sources/imap — returning mail from an IMAP mailbox (imapflow).
 *
 * Promises: takes what is not \Seen, oldest first, as it streams in; marks it \Seen, or deletes it, only
 *           after the commit. What is not ours is marked \Seen and stays.
 * Never:    says the password before TLS, except to this machine itself; logs what imapflow logs (it
 *           would name addresses).
 * Fails:    throws with what the server said; the next look begins anew.
 */
import type { ImapFlow } from 'imapflow';
import type { MailboxAddress, Source, Take } from './source.ts';

const CONNECT_TIMEOUT_MS = 30_000;
const SOCKET_TIMEOUT_MS = 120_000;
const MOST_AT_ONCE = 5_000;

export function imapSource(address: MailboxAddress): Source {
  return {
    name: address.name,
    async poll(take) {
      const client = await clientOf(address);
      // Also told by the promise that is waited for; without a listener it would be thrown.
      client.on('error', () => undefined);
      await connect(client);
      try {
        const lock = await client.getMailboxLock(address.mailbox);
        try {
          await takeUnseen(client, address, take);
        } finally {
          lock.release();
        }
        await client.logout();
      } finally {
        client.close();
      }
    },
  };
}

/** imapflow says `Command failed`; what the server said stands beside it. */
async function connect(client: ImapFlow): Promise<void> {
  try {
    await client.connect();
  } catch (error) {
    const said = error instanceof Error && 'responseText' in error ? error.responseText : null;
    if (typeof said !== 'string' || said === '') throw error;
    throw new Error(`IMAP: ${said}`, { cause: error });
  }
}

/** Loaded when there is a mailbox to look at, as few have: 5 MB of heap. */
async function clientOf(address: MailboxAddress): Promise<ImapFlow> {
  const { ImapFlow: Client } = await import('imapflow');
  const { host, port, secure, startTls, user, password } = address;
  return new Client({
    host,
    port,
    secure,
    doSTARTTLS: secure ? undefined : startTls,
    auth: { user, pass: password },
    logger: false,
    disableAutoIdle: true,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
  });
}

async function takeUnseen(client: ImapFlow, address: MailboxAddress, take: Take): Promise<void> {
  const found = await client.search({ seen: false }, { uid: true });
  const uids = !Array.isArray(found) ? [] : found.sort((a, b) => a - b).slice(0, MOST_AT_ONCE);
  for (const uid of uids) {
    const range = String(uid);
    const { content } = await client.download(range, undefined, { uid: true });
    // Another client has taken it away meanwhile.
    if (content === undefined) continue;
    const taken = await take(content as AsyncIterable<Buffer>);
    if (taken === 'kept' && address.remove) await client.messageDelete(range, { uid: true });
    else await client.messageFlagsAdd(range, ['\\Seen'], { uid: true });
  }
}
