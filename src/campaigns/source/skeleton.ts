/**
 * campaigns/source/skeleton — the MIME structure of a campaign's messages, composed once.
 *
 * nodemailer builds one message with marks where the text and the HTML go; what is around the marks is
 * kept. Each recipient's message is then these pieces with his own parts between them: no MIME tree
 * per recipient, and still nodemailer's structure and From field. A TLS report stands where the HTML
 * would (RFC 8460 5.3: multipart/report, the report gzipped).
 */
import MailComposer from 'nodemailer/lib/mail-composer';
import { invariant } from '../../kernel/errors.ts';
import type { NoticeAttachment } from '../notices/attachments.ts';
import type { TransferEncoding } from './encode.ts';

export interface Skeleton {
  /** From, MIME-Version, Content-Type; CRLF after each. */
  headers: string;
  /** The body before the text part, between the two, and after the HTML part. */
  before: Buffer;
  between: Buffer;
  after: Buffer;
}

const MARKS = { text: 'VolleyTextPartGoesHere', html: 'VolleyHtmlPartGoesHere' };
/** Written per recipient by headers.ts. */
const OWN_FIELDS = /^(?:to|subject|date|message-id):/i;

export async function composeSkeleton(options: {
  fromAddress: string;
  displayName: string;
  encoding: TransferEncoding;
  /** Names the MIME boundaries, so that every process makes the same bytes of a campaign. */
  boundary: string;
  /** Files beside the text and the HTML. */
  attachments?: readonly NoticeAttachment[];
  /** What a notice carries in the place of the HTML. */
  report?: { filename: string; body: Uint8Array } | null;
}): Promise<Skeleton> {
  const contentTransferEncoding = options.encoding;
  const { report = null, attachments = [] } = options;
  const composer = new MailComposer({
    from: { name: options.displayName, address: options.fromAddress },
    text: { content: MARKS.text, contentTransferEncoding },
    ...(report === null
      ? {
          html: { content: MARKS.html, contentTransferEncoding },
          attachments: attachments.map(({ body, ...file }) => ({
            ...file,
            content: Buffer.from(body),
          })),
        }
      : { attachments: [attachmentOf(report)] }),
    newline: 'win',
    baseBoundary: options.boundary,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const root = composer.compile();
  if (report !== null) root.setHeader('Content-Type', 'multipart/report; report-type=tlsrpt');
  const message = (await root.build()).toString('latin1');
  const bodyAt = message.indexOf('\r\n\r\n') + 4;
  const fields = message.slice(0, bodyAt - 2).split(/(?<=\r\n)(?![ \t])/);
  const body = message.slice(bodyAt);
  const [before, middle] = cut(body, encoded(MARKS.text, options.encoding));
  const [between, after] =
    report === null ? cut(middle, encoded(MARKS.html, options.encoding)) : [middle, ''];
  return {
    headers: fields.filter((field) => !OWN_FIELDS.test(field)).join(''),
    before: Buffer.from(before, 'latin1'),
    between: Buffer.from(between, 'latin1'),
    after: Buffer.from(after, 'latin1'),
  };
}

function attachmentOf({ filename, body }: { filename: string; body: Uint8Array }) {
  const content = Buffer.from(body);
  return { filename, content, contentType: 'application/tlsrpt+gzip' };
}

function encoded(mark: string, encoding: TransferEncoding): string {
  return encoding === 'base64' ? Buffer.from(mark).toString('base64') : mark;
}

function cut(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  invariant(at >= 0, 'nodemailer wrote the part it was given');
  return [text.slice(0, at), text.slice(at + mark.length)];
}
