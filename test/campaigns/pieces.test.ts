import { hashBody } from '../../src/mta/dkim.ts';
import fc from 'fast-check';
import Handlebars from 'handlebars';
import { expect, test } from 'vitest';
import { compileContentParts } from '../../src/campaigns/source/content.ts';
import { encodePart } from '../../src/campaigns/source/encode.ts';
import {
  compilePieces,
  compileTemplate,
  RenderError,
} from '../../src/campaigns/templates/render.ts';

/** What templates are made of, with everything that white space control and line ends can do. */
const FRAGMENTS = [
  ...[
    'text',
    ' ',
    '\n',
    '\r\n',
    '\r',
    '\n\n',
    '  \n',
    '.',
    '-',
    '=',
    'ü',
    'x'.repeat(90),
    '\\{{a}}',
  ],
  ...['{{a}}', '{{~a}}', '{{a~}}', '{{~a~}}', '{{! note }}', '{{!-- a\nb --}}\n', '{{b.c}}'],
  ...['{{#if a}}', '{{#if n}}\n', '{{else}}', '\n{{else}}\n', '{{/if}}', '{{/if}}\n'],
  ...[
    '{{#each l}}{{this}} {{/each}}',
    '{{#each l}}\n  {{@index}}\n{{/each}}\n',
    '{{#with b}}{{c}}{{/with}}',
  ],
];
const VARIABLES = { a: 'A & B', n: '', b: { c: ' c\n.c ' }, l: ['one', '-two', 'trailing '] };

function compiles(source: string): boolean {
  try {
    compileTemplate(source, 'html')(VARIABLES);
    return true;
  } catch {
    return false;
  }
}

const templates = fc
  .array(fc.constantFrom(...FRAGMENTS), { maxLength: 14 })
  .map((parts) => parts.join(''))
  .filter(compiles);

test('pieces put together are what Handlebars renders of the whole', () => {
  fc.assert(
    fc.property(templates, (source) => {
      const { fixed, varying } = compilePieces(source, 'html');
      const texts = varying(VARIABLES);
      const together = fixed.map((text, i) => text + (texts[i] ?? '')).join('');
      expect(together).toBe(Handlebars.compile(source)(VARIABLES));
      expect(texts).toHaveLength(fixed.length - 1);
    }),
    { numRuns: 2_000 },
  );
});

test.each(['quoted-printable', 'base64'] as const)('%s: encoded in parts as whole', (encoding) => {
  const skeleton = {
    headers: '',
    before: Buffer.from('<'),
    between: Buffer.from('|'),
    after: Buffer.from('>'),
  };
  fc.assert(
    fc.property(templates, templates, (text, html) => {
      const content = compileContentParts({ subject: 's', text, html }, skeleton, encoding);
      const body = content.body(VARIABLES);
      const wanted = Buffer.concat([
        skeleton.before,
        encodePart(compileTemplate(text, 'none')(VARIABLES), encoding),
        skeleton.between,
        encodePart(compileTemplate(html, 'html')(VARIABLES), encoding),
        skeleton.after,
      ]);
      expect(Buffer.concat(body.segments.map(({ bytes }) => bytes)).toString('latin1')).toBe(
        wanted.toString('latin1'),
      );
      expect(body.hash()).toBe(hashBody(wanted));
    }),
    { numRuns: 1_000 },
  );
});

test('turns and characters are counted over all pieces together', () => {
  const list = Array.from({ length: 6_000 }, () => 'x');
  const twice = compilePieces('{{#each l}}.{{/each}} and {{#each l}}.{{/each}}', 'none');
  expect(() => twice.varying({ l: list })).toThrow(RenderError);
  const long = compilePieces('{{a}} and {{a}}', 'none');
  expect(() => long.varying({ a: 'y'.repeat(3 * 1024 * 1024) })).toThrow(RenderError);
});
