/**
 * campaigns/source/content — frozen content, compiled for rendering: subject and body of one recipient.
 *
 * Promises: what does not vary is rendered and encoded once: a part without `{{` costs a memory copy,
 *           and a body without any is hashed for DKIM once.
 */
import { hashBody } from '../../mta/dkim.ts';
import { compileTemplate } from '../templates/render.ts';
import type { Render, Variables } from '../templates/render.ts';
import { encodePart } from './encode.ts';
import type { TransferEncoding } from './encode.ts';
import type { Skeleton } from './skeleton.ts';
import { subjectLine } from './subject.ts';

export interface Body {
  bytes: Buffer;
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
  const subject = compileTemplate(content.subject, 'none');
  const text = compilePart(content.text, compileTemplate(content.text, 'none'), encoding);
  const html = compilePart(content.html, compileTemplate(content.html, 'html'), encoding);
  const build = (variables: Variables): Body => {
    const { before, between, after } = skeleton;
    return bodyOf(Buffer.concat([before, text(variables), between, html(variables), after]));
  };
  let fixed: Body | null = null;
  const varies = isTemplate(content.text) || isTemplate(content.html);
  return {
    subject: (variables) => subjectLine(subject(variables)),
    body: (variables) => (varies ? build(variables) : (fixed ??= build(variables))),
  };
}

function bodyOf(bytes: Buffer): Body {
  let known: string | null = null;
  return { bytes, hash: () => (known ??= hashBody(bytes)) };
}

type Part = (variables: Variables) => Buffer;

function compilePart(source: string, render: Render, encoding: TransferEncoding): Part {
  if (isTemplate(source)) return (variables) => encodePart(render(variables), encoding);
  const fixed = encodePart(render({}), encoding);
  return () => fixed;
}

function isTemplate(source: string): boolean {
  return source.includes('{{');
}
