/**
 * campaigns/templates/compile — what was given as content into what is stored and sent.
 *
 * Promises: content that is stored can be rendered: syntax, MJML and limits were checked, in the
 *           source's own lines. `variables` names all that varies by recipient, sorted.
 * Fails:    AppError `template_invalid`; `errors[].detail` is `line 3: reason`.
 */
import { AppError } from '../../kernel/errors.ts';
import type { FieldError } from '../../kernel/errors.ts';
import type { Convert, ConvertInput } from './converter.ts';
import type { NewContent } from './store.ts';
import { checkSyntax } from './syntax.ts';
import type { TemplateFault } from './syntax.ts';

export interface ContentInput extends ConvertInput {
  subject: string;
}

const MAX_SOURCE_BYTES = 1024 * 1024;
const MAX_SUBJECT_CHARS = 500;
const SUBJECT_CONTROL = /[\p{Cc}\u2028\u2029]/u;
/** Tab, line feed and carriage return are text. */
const TEXT_CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** `pointer` is where the content stands in the request: empty, or `/content`. */
export async function compileContent(
  convert: Convert,
  input: ContentInput,
  pointer = '',
): Promise<NewContent> {
  const errors: FieldError[] = [];
  const variables = new Set<string>();
  const check = (field: string, source: string): void => {
    const limits = fieldFault(field, source);
    const result = limits === null ? checkSyntax(source) : { ok: false as const, faults: [limits] };
    if (result.ok) for (const name of result.variables) variables.add(name);
    else errors.push(...toErrors(`${pointer}/${field}`, result.faults));
  };
  check('subject', input.subject);
  check('source', input.source);
  if (input.text !== null) check('text', input.text);
  refuseIf(errors);

  const converted = await convert(input);
  if (!converted.ok) throw invalid(toErrors(`${pointer}/source`, converted.faults));
  const { html, text } = converted;
  // What became of the source has no lines of its own to show, and is checked all the same.
  for (const made of [html, text]) {
    const result = checkSyntax(made);
    if (result.ok) for (const name of result.variables) variables.add(name);
    else errors.push(...toErrors(`${pointer}/source`, withoutLines(result.faults)));
  }
  refuseIf(errors);
  const { subject, format, source } = input;
  return { subject, format, source, html, text, variables: [...variables].sort() };
}

function fieldFault(field: string, source: string): TemplateFault | null {
  if (source.trim() === '') return { line: null, reason: 'is empty' };
  if (field === 'subject') {
    if (source.length > MAX_SUBJECT_CHARS) {
      return { line: null, reason: `is longer than ${MAX_SUBJECT_CHARS} characters` };
    }
    if (SUBJECT_CONTROL.test(source)) return { line: 1, reason: 'contains a line break' };
  }
  if (Buffer.byteLength(source) > MAX_SOURCE_BYTES) {
    return { line: null, reason: `is larger than ${MAX_SOURCE_BYTES} bytes` };
  }
  const control = TEXT_CONTROL.exec(source);
  if (control !== null || !source.isWellFormed()) {
    const line = control === null ? null : source.slice(0, control.index).split('\n').length;
    return { line, reason: 'contains a control character or half a character' };
  }
  return null;
}

function withoutLines(faults: readonly TemplateFault[]): TemplateFault[] {
  return faults.map(({ reason }) => ({ line: null, reason: `once compiled, ${reason}` }));
}

function toErrors(pointer: string, faults: readonly TemplateFault[]): FieldError[] {
  return faults.map(({ line, reason }) => ({
    pointer,
    code: 'template_error',
    detail: line === null ? reason : `line ${line}: ${reason}`,
  }));
}

function refuseIf(errors: FieldError[]): void {
  if (errors.length > 0) throw invalid(errors);
}

function invalid(errors: FieldError[]): AppError {
  const [first] = errors;
  const detail = first === undefined ? 'it' : `${first.pointer.slice(1)}: ${first.detail}`;
  return new AppError('template_invalid', detail, { errors });
}
