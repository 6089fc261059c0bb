/**
 * campaigns/source/content — frozen content, compiled for rendering: subject and body of one recipient.
 *
 * Promises: what does not vary is rendered and encoded once: whole lines of fixed text are the same
 *           bytes in every message, and a body without anything else is hashed for DKIM once.
 */
import { hashSegments } from '../../mta/dkim.ts';
import { Segment } from '../../mta/segment.ts';
import { compilePieces } from '../templates/render.ts';
import type { Escaping, Pieces, Variables } from '../templates/render.ts';
import { encodePart } from './encode.ts';
import type { TransferEncoding } from './encode.ts';
import type { Skeleton } from './skeleton.ts';
import { subjectLine } from './subject.ts';

export interface Body {
  /** The body is these, one behind the other. */
  segments: readonly Segment[];
  /** For DKIM's bh=; counted when it is asked for, once. */
  hash(): string;
}

export interface CompiledContent {
  /** One line. */
  subject(variables: Variables): string;
  body(variables: Variables): Body;
}

export interface ContentTexts {
  subject: string;
  html: string;
  text: string;
}

export function compileContentParts(
  content: ContentTexts,
  skeleton: Skeleton,
  encoding: TransferEncoding,
): CompiledContent {
  const subject = compilePieces(content.subject, 'none');
  const text = compilePart(content.text, 'none', encoding);
  const html = compilePart(content.html, 'html', encoding);
  const before = new Segment(skeleton.before);
  const between = new Segment(skeleton.between);
  const after = new Segment(skeleton.after);
  const build = (variables: Variables): Body =>
    bodyOf([before, ...text(variables), between, ...html(variables), after]);
  const varies = isTemplate(content.text) || isTemplate(content.html);
  let fixed: Body | null = null;
  return {
    subject: (variables) => subjectLine(joined(subject, variables)),
    body: (variables) => (varies ? build(variables) : (fixed ??= build(variables))),
  };
}

function bodyOf(segments: readonly Segment[]): Body {
  let known: string | null = null;
  return { segments, hash: () => (known ??= hashSegments(segments)) };
}

type Part = (variables: Variables) => readonly Segment[];

function compilePart(source: string, escaping: Escaping, encoding: TransferEncoding): Part {
  const pieces = compilePieces(source, escaping);
  if (pieces.fixed.length === 1) {
    const fixed = new Segment(encodePart(pieces.fixed[0] ?? '', encoding));
    return () => [fixed];
  }
  // Base64 runs across lines: nothing in it is fixed behind the first thing that varies.
  if (encoding === 'base64')
    return (variables) => [new Segment(encodePart(joined(pieces, variables), encoding))];
  return compileLines(pieces, encoding);
}

function joined(pieces: Pieces, variables: Variables): string {
  const varying = pieces.varying(variables);
  return pieces.fixed.map((text, i) => text + (varying[i] ?? '')).join('');
}

/**
 * Quoted-printable begins anew with every line, so whole lines of fixed text are encoded once. A 10 KB
 * message with three slots: 57 us of CPU encoded whole, 2.8 today (`npm run bench -- render`).
 */
function compileLines(pieces: Pieces, encoding: TransferEncoding): Part {
  const cuts = pieces.fixed.map((text, i) => {
    const isFirst = i === 0;
    const isLast = i === pieces.fixed.length - 1;
    // What stands before the first and behind the last line end belongs to a line that varies.
    const from = isFirst ? 0 : text.indexOf('\n') + 1;
    const to = isLast ? text.length : text.lastIndexOf('\n') + 1;
    const whole = (isFirst || from > 0) && to > from;
    if (!whole) return { head: text, lines: null, tail: '' };
    const lines = new Segment(encodePart(text.slice(from, to), encoding));
    return { head: text.slice(0, from), lines, tail: text.slice(to) };
  });
  return (variables) => {
    const varying = pieces.varying(variables);
    const segments: Segment[] = [];
    let line = '';
    cuts.forEach(({ head, lines, tail }, i) => {
      line += head;
      if (lines !== null) {
        if (line !== '') segments.push(new Segment(encodePart(line, encoding)));
        segments.push(lines);
        line = tail;
      }
      line += varying[i] ?? '';
    });
    if (line !== '') segments.push(new Segment(encodePart(line, encoding)));
    return segments;
  };
}

function isTemplate(source: string): boolean {
  return source.includes('{{');
}
