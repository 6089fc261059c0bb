/**
 * bounce/hostile — messages that are sent to hurt: in pieces, without the final dot.
 *
 * For listener.test.ts (they are taken, and cost nobody else anything) and listener-memory.test.ts
 * (they cost bounded memory and time).
 */
import { gzipSync } from 'node:zlib';

export const HOSTILE: Record<string, () => Iterable<string | Buffer>> = {
  *'a body of 50 MB'() {
    yield 'Subject: long\r\n\r\n';
    const block = Buffer.from('0123456789abcde\r\n'.repeat(4_096));
    for (let i = 0; i < 730; i += 1) yield block;
  },
  *'50 lines of 1 MB'() {
    yield 'Subject: long\r\n\r\n';
    const line = Buffer.concat([Buffer.alloc(1_000_000, 0x61), Buffer.from('\r\n')]);
    for (let i = 0; i < 50; i += 1) yield line;
  },
  *'a line of 50 MB'() {
    yield 'Subject: long\r\n\r\n';
    const block = Buffer.alloc(65_536, 0x61);
    for (let i = 0; i < 763; i += 1) yield block;
  },
  *'a header of 1 MB'() {
    yield `Subject: ${'x'.repeat(1_000_000)}\r\n\r\nhello`;
  },
  *'10,000 nested parts'() {
    yield 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b0"\r\n\r\n';
    for (let i = 0; i < 10_000; i += 1) {
      yield `--b${i}\r\nContent-Type: multipart/mixed; boundary="b${i + 1}"\r\n\r\n`;
    }
  },
  // smtp-server takes a turn of the event loop for each stuffed dot: slow for who sends them only.
  *'100,000 lines of dots'() {
    yield 'Subject: dots\r\n\r\n';
    const block = Buffer.from('..\r\n'.repeat(10_000));
    for (let i = 0; i < 10; i += 1) yield block;
  },
  *'a charset that changes at every character'() {
    yield 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n';
    yield 'Content-Transfer-Encoding: quoted-printable\r\n\r\n';
    const block = Buffer.from(`${'=1B$B'.repeat(12)}=\r\n`.repeat(2_000));
    for (let i = 0; i < 50; i += 1) yield block;
  },
  *'a packed bomb, which nobody unpacks'() {
    yield 'MIME-Version: 1.0\r\nContent-Type: application/gzip\r\n';
    yield 'Content-Transfer-Encoding: base64\r\n\r\n';
    const packed = gzipSync(Buffer.alloc(50_000_000)).toString('base64');
    yield packed.replace(/.{76}/g, '$&\r\n');
  },
};
