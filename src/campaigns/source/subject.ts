/** campaigns/source/subject — a rendered subject as one line. Pure. */

const MAX_CHARS = 1_000;

/**
 * Whatever a variable brings: control characters and line breaks become spaces, half characters the
 * replacement character, and it is cut at 1,000 characters. So nothing can start another header.
 */
export function subjectLine(rendered: string): string {
  const line = rendered
    .replace(/[\p{Cc}\u2028\u2029\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_CHARS);
  return line.toWellFormed();
}
