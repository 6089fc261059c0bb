/**
 * bench/message — what is sent: the same text, of the same size, for Volley and for everybody else.
 *
 * Pure. `--size` is the whole message without its DKIM signature, headers included.
 */

export const DOMAIN = 'shop.example';
export const BOUNCE_DOMAIN = 'bounce.shop.example';
/** Of the recipients, wherever a bench sends. */
export const DOMAINS = 50;

/** Readable lines below 76 characters, with the hyphens and dots that real text has. */
const WORDS = 'Your order of this month is on its way - thank you for shopping with us today.';

/** `bytes` of it on the wire, where a line ends with CRLF whatever it ends with here. */
function paragraph(bytes: number, newline: string): string {
  const line = WORDS.slice(0, 70);
  const lines = Math.max(1, Math.round(bytes / (line.length + 2)));
  return Array.from({ length: lines }, () => line).join(newline);
}

export interface CampaignContent {
  subject: string;
  format: 'html';
  source: string;
  text: string;
}

/**
 * Header fields, MIME parts and the slots of a message that Volley composes, without its DKIM signature:
 * measured at our own sink (messageBytes of end-to-end --sink own).
 */
const OWN_BYTES = 1_230;
/** The same of one copy for many: no name in To, no list fields. */
const OWN_BYTES_OF_A_COPY = 905;

/** Two fifths text, three fifths HTML. */
export function campaignContent(sizeBytes: number, personalised: boolean): CampaignContent {
  const own = personalised ? OWN_BYTES : OWN_BYTES_OF_A_COPY;
  const room = Math.max(200, sizeBytes - own);
  const hello = personalised
    ? 'Dear {{name}}, you have {{points}} points in {{city}}.'
    : 'Dear customer, here are the news of this month.';
  const link = personalised ? '\n<p><a href="{{unsubscribe_url}}">Unsubscribe</a></p>' : '';
  return {
    subject: personalised ? '{{name}}, your points of this month' : 'News of this month',
    format: 'html',
    source: `<html><body>\n<h1>${hello}</h1>\n<p>\n${paragraph(room * 0.6, '\n')}\n</p>${link}\n</body></html>\n`,
    text: `${hello}\n\n${paragraph(room * 0.4, '\n')}\n`,
  };
}

/** Recipient `n` of a campaign as the slots of `campaignContent` have him. */
export function fillFor(n: number): (template: string) => string {
  const values: Readonly<Record<string, string>> = {
    name: `Name ${n}`,
    points: String(n % 997),
    city: 'Berlin',
    unsubscribe_url: unsubscribeUrl(n),
  };
  return (template) =>
    template.replaceAll(/\{\{(\w+)\}\}/g, (slot, name: string) => values[name] ?? slot);
}

/** As long as an address of ours. */
function unsubscribeUrl(n: number): string {
  return `https://${DOMAIN}/u/${tokenOf(n)}`;
}

function tokenOf(n: number): string {
  return `u${String(n).padStart(20, '0')}`;
}

/** What Volley writes by itself, for those whose user has to. */
export function listFields(n: number): Record<string, string> {
  const mailto = `mailto:${tokenOf(n)}@${BOUNCE_DOMAIN}?subject=unsubscribe`;
  return {
    'List-Unsubscribe': `<${unsubscribeUrl(n)}>,\r\n <${mailto}>`,
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    'Feedback-ID': 'cmp_0000000000001:snd_0000000000001:marketing:volley',
  };
}

export interface MessageParts {
  /** Header block with To, Subject and Message-ID of recipient `n`, CRLF after each field. */
  headers: string;
  body: string;
}

const BOUNDARY = 'b-6f1c2e40';

/** A finished message of `sizeBytes`, from MIN_SIZE_BYTES (settings.ts) up, for those who do not compose. */
export function createMessageMaker(sizeBytes: number): (n: number, to: string) => MessageParts {
  const room = Math.max(200, sizeBytes - OWN_BYTES);
  const text = paragraph(room * 0.4, '\r\n');
  const html = paragraph(room * 0.6, '\r\n');
  return (n, to) => {
    const headers = headersFor(n, to);
    const hello = `Dear Name ${n}, you have ${n} points in Berlin.`;
    const body =
      `--${BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Transfer-Encoding: quoted-printable\r\n\r\n${hello}\r\n\r\n${text}\r\n` +
      `--${BOUNDARY}\r\nContent-Type: text/html; charset=utf-8\r\n` +
      'Content-Transfer-Encoding: quoted-printable\r\n\r\n' +
      `<html><body>\r\n<h1>${hello}</h1>\r\n<p>\r\n${html}\r\n</p>\r\n</body></html>\r\n`;
    const end = `--${BOUNDARY}--\r\n`;
    const missing = Math.max(0, sizeBytes - headers.length - 2 - body.length - end.length);
    return { headers, body: `${body}${filler(missing)}${end}` };
  };
}

function filler(bytes: number): string {
  const line = `${'x'.repeat(70)}\r\n`;
  const whole = line.repeat(Math.floor(bytes / line.length));
  const rest = bytes % line.length;
  return rest < 2 ? whole : `${whole}${'x'.repeat(rest - 2)}\r\n`;
}

function headersFor(n: number, to: string): string {
  return (
    'Date: Mon, 24 Nov 2025 03:36:00 +0000\r\n' +
    `From: Corner Shop <news@${DOMAIN}>\r\n` +
    `To: "Name ${n}" <${to}>\r\n` +
    `Subject: Name ${n}, your points of this month\r\n` +
    `Message-ID: <m${n}@${DOMAIN}>\r\n` +
    Object.entries(listFields(n))
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('') +
    'MIME-Version: 1.0\r\n' +
    `Content-Type: multipart/alternative; boundary="${BOUNDARY}"\r\n`
  );
}

/** Envelope sender of recipient `n`: as long as a VERP address of ours. */
export function senderOf(n: number): string {
  return `b-${String(n).padStart(30, '0')}@${BOUNCE_DOMAIN}`;
}

/** Recipients spread over `domains` domains, evenly. */
export function recipientOf(n: number, domains: number): string {
  return `user${n}@d${n % domains}.example`;
}

/** Recipients of message `n`: one, or several of one domain. */
export function recipientsOf(n: number, each: number, domains: number): string[] {
  if (each === 1) return [recipientOf(n, domains)];
  const domain = `d${n % domains}.example`;
  return Array.from({ length: each }, (_, i) => `user${n * each + i}@${domain}`);
}
