import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  createTemplate,
  getTemplate,
  listTemplates,
  previewTemplate,
} from '../../src/campaigns/templates.ts';
import type { TemplateInput } from '../../src/campaigns/templates.ts';
import { useDatabase } from '../harness/database.ts';
import { testDeps } from './fixture.ts';

const database = useDatabase();
const deps = () => testDeps(database.sql);

const make = (changes: Partial<TemplateInput> = {}) =>
  createTemplate(deps(), {
    name: 'Letter',
    subject: 'Hello {{name}}',
    format: 'html',
    source: '<p>Dear {{name}}</p>',
    text: null,
    ...changes,
  });

const mjml = (inside: string): string =>
  `<mjml><mj-body>\n<mj-section><mj-column>\n${inside}\n</mj-column></mj-section></mj-body></mjml>`;

/** `source line 2: reason` of every fault. */
async function faultsOf(changes: Partial<TemplateInput>): Promise<string[]> {
  const error: unknown = await make(changes).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'template_invalid' });
  const { errors } = error as { errors: { pointer: string; detail: string }[] };
  return errors.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`);
}

describe('a template', () => {
  test('is stored compiled, with its variables and a text part', async () => {
    const template = await make({
      format: 'mjml',
      source: mjml(
        '<mj-text><h1>Dear {{customer.name}}</h1>{{#if vip}}Very{{/if}} important</mj-text>',
      ),
    });
    expect(template).toMatchObject({
      name: 'Letter',
      format: 'mjml',
      variables: ['customer.name', 'name', 'vip'],
      text: 'Dear {{customer.name}}\n\n{{#if vip}}Very{{/if}} important\n',
    });
    expect(template.html).toContain('Dear {{customer.name}}');
    // Whoever opens the mail is nobody's business: no web fonts.
    expect(template.html).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
    expect(await getTemplate(deps(), template.id)).toEqual(template);
    await expect(getTemplate(deps(), 999_999n)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('lists come newest first, page by page', async () => {
    const made: bigint[] = [];
    for (let i = 0; i < 5; i += 1) made.unshift((await make({ name: `T${i}` })).id);
    const first = await listTemplates(deps(), { limit: 2, after: null });
    expect(first).toMatchObject({ hasMore: true, nextCursor: made[1] });
    const second = await listTemplates(deps(), { limit: 2, after: first.nextCursor });
    expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(made.slice(0, 4));
    expect(first.data[0]).not.toHaveProperty('source');
  });

  test('a preview escapes, names what is missing and keeps the subject on one line', async () => {
    const template = await make({
      source:
        '<p>{{name}} {{order.total}}{{#each items}}[{{@index}} {{this}} {{../name}}]{{else}}none{{/each}}</p>',
      text: '{{name}} {{unsubscribe_url}}',
    });
    const preview = await previewTemplate(deps(), template.id, {
      variables: { name: '<b>"Ann"\r\nBcc: x@y.example', items: ['&', 2], order: {} },
    });
    expect(preview.missing).toEqual(['order.total']);
    expect(preview.subject).toBe('Hello <b>"Ann" Bcc: x@y.example');
    expect(preview.html).toContain('&lt;b&gt;&quot;Ann&quot;');
    expect(preview.html).toContain('[0 &amp; &lt;b&gt;');
    expect(preview.text).toContain('<b>"Ann"');
    expect(preview.text).toContain('https://unsubscribe.invalid/');
    const empty = await previewTemplate(deps(), template.id, { variables: {} });
    expect(empty.html).toBe('<p> none</p>');
    expect(empty.missing).toEqual(['items', 'name', 'order.total']);
  });

  test('data never reaches a prototype', async () => {
    const template = await make({
      source: '<p>[{{a.toString}}{{a.b}}{{a.length}}{{hasOwnProperty}}]</p>',
    });
    const { html } = await previewTemplate(deps(), template.id, {
      variables: JSON.parse('{"a":{"__proto__":{"b":"x"}}}') as Record<string, unknown>,
    });
    expect(html).toBe('<p>[]</p>');
  });

  test('loops over hostile data end', async () => {
    const nested = '{{#each @root.a}}'.repeat(10) + 'x' + '{{/each}}'.repeat(10);
    const template = await make({ source: nested });
    await expect(
      previewTemplate(deps(), template.id, {
        variables: { a: Array.from({ length: 9_000 }, () => 0) },
      }),
    ).rejects.toMatchObject({ code: 'template_invalid' });
    const wide = await make({ source: `{{#each a}}${'y'.repeat(500_000)}{{/each}}` });
    await expect(
      previewTemplate(deps(), wide.id, {
        variables: { a: Array.from({ length: 9_000 }, () => 0) },
      }),
    ).rejects.toMatchObject({ code: 'template_invalid' });
  });
});

describe('variables that are made to hurt', () => {
  const fails = { code: 'template_invalid' };

  test('a long one many times over is refused before it is escaped', async () => {
    const template = await make({ source: `<p>${'{{v}}'.repeat(9_000)}` });
    const variables = { v: '<'.repeat(60_000) };
    await expect(previewTemplate(deps(), template.id, { variables })).rejects.toMatchObject(fails);
    const loop = await make({ source: `{{#each a}}${'{{../v}}'.repeat(900)}{{/each}}` });
    await expect(
      previewTemplate(deps(), loop.id, { variables: { ...variables, a: [1, 2, 3] } }),
    ).rejects.toMatchObject(fails);
  });

  test.each(['{"toString":"x"}', '{"toString":null}', '[1,2]', '{}'])(
    'a list or an object is no text: %s',
    async (json) => {
      const v: unknown = JSON.parse(json);
      const template = await make({ source: '<p>{{v}}</p>' });
      await expect(
        previewTemplate(deps(), template.id, { variables: { v } }),
      ).rejects.toMatchObject(fails);
    },
  );

  test('numbers and truth are text', async () => {
    const template = await make({ source: '<p>{{n}} {{z}} {{t}} {{f}}</p>' });
    const variables = { n: 1.5, z: 0, t: true, f: false };
    const { html } = await previewTemplate(deps(), template.id, { variables });
    expect(html).toBe('<p>1.5 0 true false</p>');
  });

  test('a list longer than all turns is refused before it is walked', async () => {
    const template = await make({
      source: '{{#each a}}{{#each ../a}}{{#each ../../a}}x{{/each}}{{/each}}{{/each}}',
    });
    const a = Array.from({ length: 200_000 }, () => ({}));
    await expect(previewTemplate(deps(), template.id, { variables: { a } })).rejects.toMatchObject(
      fails,
    );
  });

  test('what is fixed inside a loop counts once, whatever it is nested in', async () => {
    const inner = `{{#each b}}${'y'.repeat(30)}{{/each}}`;
    const template = await make({ source: `{{#each a}}${inner}{{/each}}` });
    const variables = { a: Array.from({ length: 9 }, () => ({ b: Array(1_000).fill(0) })) };
    const { html } = await previewTemplate(deps(), template.id, { variables });
    expect(html).toHaveLength(9 * 1_000 * 30);
  });
});

describe('what is refused, with its line', () => {
  test.each([
    [
      'triple-stash',
      '<p>\n{{{name}}}</p>',
      'line 2: {{{name}}} would be unescaped; write {{name}}',
    ],
    ['its other spelling', '{{&name}}', 'line 1: {{{name}}} would be unescaped; write {{name}}'],
    ['a partial', '\n\n{{> header}}', 'line 3: partials and includes are not available'],
    [
      'a partial block',
      '{{#> header}}{{/header}}',
      'line 1: partials and includes are not available',
    ],
    ['an inline partial', '{{#*inline "x"}}{{/inline}}', 'line 1: decorators are not available'],
    ['an unknown helper', '{{upper name}}', 'line 1: there is no helper "upper"'],
    ['lookup', '{{lookup a b}}', 'line 1: there is no helper "lookup"'],
    ['log', '{{log a}}', 'line 1: there is no helper "log"'],
    ['an unknown block', '{{#foo}}{{/foo}}', 'line 1: there is no block helper "foo"'],
    ['sub-expressions', '\n{{#if (a b)}}{{/if}}', 'line 2: sub-expressions are not available'],
    [
      'constructor',
      '{{a.constructor.name}}',
      'line 1: "a.constructor.name" is not a name a variable may have',
    ],
    ['__proto__', '{{__proto__}}', 'line 1: "__proto__" is not a name a variable may have'],
    ['inner data', '{{@budget}}', 'line 1: there is no "@budget"'],
    ['the whole root', '{{this}}', 'line 1: {{this}} needs a block around it'],
    [
      'an open block',
      '<p>\n{{#if a}}\n</p>',
      'line 3: ends inside a {{...}} or before its block is closed',
    ],
    ['a wrong end', '{{#if a}}\n{{/each}}', "line 1: if doesn't match each"],
    [
      'half an expression',
      'x\n{{name',
      'line 2: an expression is not closed or has a character it may not have',
    ],
    [
      'an end alone',
      'x\n{{/if}}',
      'line 2: an expression is not complete, or an end or else has no beginning',
    ],
    [
      'deep blocks',
      '{{#if a}}'.repeat(11) + '{{/if}}'.repeat(11),
      'line 1: blocks are nested more than 10 deep',
    ],
    ['a NUL', 'a\n\0', 'line 2: contains a control character or half a character'],
    ['nothing', ' \n', 'is empty'],
  ])('%s', async (_, source, reason) => {
    expect(await faultsOf({ source })).toEqual([`source ${reason}`]);
  });

  test('all faults at once, in every part', async () => {
    const faults = await faultsOf({
      subject: '{{{a}}}',
      source: '{{> x}}\n{{f x}}',
      text: '{{#if}}{{/if}}',
    });
    expect(faults).toEqual([
      'subject line 1: {{{a}}} would be unescaped; write {{a}}',
      'source line 1: partials and includes are not available',
      'source line 2: there is no helper "f"',
      'text line 1: {{#if}} takes exactly one variable',
    ]);
  });

  test.each([
    ['an unknown element', mjml('<mj-tex>x</mj-tex>'), /^source line 3: <mj-tex>: Element mj-tex/],
    [
      'an unknown attribute',
      mjml('<mj-text colour="red">x</mj-text>'),
      /^source line 3: <mj-text>: Attribute colour/,
    ],
    ['no MJML', '<p>x</p>', /^source .*MJML/],
    [
      'an include',
      mjml('<mj-include path="/etc/passwd" />'),
      /^source line 3: <mj-include> is not available/,
    ],
    ['Handlebars in it', mjml('<mj-text>{{{x}}}</mj-text>'), /^source line 3: {{{x}}} would be/],
  ])('MJML with %s', async (_, source, reason) => {
    const faults = await faultsOf({ format: 'mjml', source });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(reason);
  });

  test('line breaks in the subject, and sizes', async () => {
    expect(await faultsOf({ subject: 'a\r\nBcc: b' })).toEqual([
      'subject line 1: contains a line break',
    ]);
    expect(await faultsOf({ subject: 'a'.repeat(501) })).toHaveLength(1);
    expect(await faultsOf({ source: 'a'.repeat(1024 * 1024 + 1) })).toHaveLength(1);
    await expect(make({ name: 'a\nb' })).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('sources made to hold the parser up are refused at once', async () => {
    const start = performance.now();
    for (const source of [
      '{{#if a}}'.repeat(50_000) + '{{/if}}'.repeat(50_000),
      `{{a ${'('.repeat(500_000)}`,
      '{{'.repeat(500_000),
      `{{a${' b'.repeat(500_000)}}}`,
      `{{a${'.b'.repeat(500_000)}}}`,
    ]) {
      await faultsOf({ source });
    }
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe('the sample templates', () => {
  const folder = new URL('../../templates/', import.meta.url);
  const files = readdirSync(folder).filter((name) => /\.(?:mjml|html)$/.test(name));

  test.each(files)('%s', async (file) => {
    const template = await make({
      format: file.endsWith('.mjml') ? 'mjml' : 'html',
      source: readFileSync(new URL(file, folder), 'utf8'),
    });
    const { html, text } = await previewTemplate(deps(), template.id, {
      variables: {
        name: '陈大文',
        email: 'c@d.example',
        points: 5,
        offers: [{ title: 'Coffee', price: '3.50' }],
        entries: [{ date: '1.3.', text: 'Rent', amount: '-800' }],
        currency: 'EUR',
      },
    });
    for (const part of [html, text]) {
      expect(part).toContain('陈大文');
      expect(part).not.toMatch(/\{\{|undefined|\[object/);
    }
    expect(text).toMatch(/Coffee {2}3\.50|1\.3\. {2}Rent {2}-800 EUR/);
  });

  test('there are four', () => expect(files).toHaveLength(4));
});
