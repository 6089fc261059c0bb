/**
 * campaigns/source/assembly — a header block and a body become a message.
 *
 * Pure. Promises: long segments of the body are sent as they are, the same bytes for every recipient;
 *           the headers and what is short, a personal line with the MIME part around it, are copied
 *           together: what a segment costs on its way to the wire is more than the copy.
 * Measured: 10 KB messages, `npm run bench -- compose`: see bench/RESULTS.md.
 */
import { messageFrom } from '../../mta/message.ts';
import type { Message } from '../../mta/message.ts';
import { Segment } from '../../mta/segment.ts';

const LONG_BYTES = 1_024;

/** `head`: header fields and the empty line, bytes as Latin-1 characters. */
export function assemble(head: string, body: readonly Segment[]): Message {
  const segments: Segment[] = [];
  let short: Buffer[] = [Buffer.from(head, 'latin1')];
  for (const segment of body) {
    if (segment.bytes.length < LONG_BYTES) {
      short.push(segment.bytes);
      continue;
    }
    if (short.length > 0) segments.push(new Segment(Buffer.concat(short)));
    segments.push(segment);
    short = [];
  }
  if (short.length > 0) segments.push(new Segment(Buffer.concat(short)));
  return messageFrom(segments);
}
