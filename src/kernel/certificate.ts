/**
 * kernel/certificate — a self-signed certificate made on the spot (X.509 v3, RFC 5280; P-256).
 *
 * For the hosts of the practice range, and for the bounce listener until it is given one: mail hosts
 * encrypt to a certificate without believing it (RFC 7435).
 *
 * Why ours: the one well-kept package for it brings twenty others, two of which change global
 *           objects at import. A certificate is fifty lines of DER; Node signs it and reads it back.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface Certificate {
  /** PEM. */
  key: string;
  /** PEM. */
  cert: string;
}

const DAY_MS = 86_400_000;
const SEQUENCE = 0x30;
const SET = 0x31;

/** Tag, length, value. */
function der(tag: number, ...values: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(values);
  const { length } = value;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), value]);
  const bytes = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...bytes]), value]);
}

/** An object identifier, given as its DER body. */
const oid = (...body: number[]): Buffer => der(0x06, Buffer.from(body));
const ECDSA_SHA256 = oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
const COMMON_NAME = oid(0x55, 0x04, 0x03);
const SUBJECT_ALT_NAME = oid(0x55, 0x1d, 0x11);

function distinguishedName(name: string): Buffer {
  const value = der(0x0c, Buffer.from(name, 'utf8'));
  return der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, value)));
}

/** GeneralizedTime: `20260101000000Z`. */
function time(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));
}

/** Valid from yesterday for `days`, for `names` (the first is the subject). */
export function selfSignedCertificate(
  names: readonly [string, ...string[]],
  now: Date,
  days = 365,
): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(SEQUENCE, ECDSA_SHA256);
  const name = distinguishedName(names[0]);
  const alternatives = der(SEQUENCE, ...names.map((item) => der(0x82, Buffer.from(item, 'ascii'))));
  const serial = Buffer.concat([Buffer.from([0x01]), randomBytes(15)]);
  const start = now.getTime() - DAY_MS;
  const content = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    name,
    der(SEQUENCE, time(new Date(start)), time(new Date(start + (days + 1) * DAY_MS))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, der(SEQUENCE, SUBJECT_ALT_NAME, der(0x04, alternatives)))),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', content, privateKey)]);
  const certificate = der(SEQUENCE, content, algorithm, der(0x03, signature));
  const lines = certificate.toString('base64').replace(/(.{64})(?=.)/g, '$1\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}
