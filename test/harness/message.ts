/** harness/message — messages in one piece, and cut into many. */
import { messageFrom, plainBody } from '../../src/mta/message.ts';
import type { Message } from '../../src/mta/message.ts';
import { Segment } from '../../src/mta/segment.ts';

export function bytesOf(message: Message): Buffer {
  return Buffer.concat(plainBody(message).parts);
}

/** A segment a line. */
export function messageOfLines(text: string | Buffer): Message {
  const lines = Buffer.from(text as string)
    .toString('latin1')
    .split(/(?<=\n)/);
  return messageFrom(lines.map((line) => new Segment(Buffer.from(line, 'latin1'))));
}
