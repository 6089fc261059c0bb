import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { languageOf, loadLetters } from '../../src/campaigns/notices/letters.ts';

const folder = mkdtempSync(join(tmpdir(), 'volley-letters-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const facts = {
  kind: 'probe',
  address: 'ann@x.example',
  fromName: 'Corner Shop',
  fromAddress: 'news@shop.example',
  evidence: '552 5.2.2 Mailbox full {{from}}',
  sample: 'News of the week',
} as const;

test('a letter says whom it is about, why, and who writes; its own data is no template', () => {
  const { subject, text } = loadLetters()(facts);
  expect(subject).toBe('Is ann@x.example still in use?');
  expect(text).toContain('552 5.2.2 Mailbox full {{from}}');
  expect(text).toContain('Corner Shop <news@shop.example>');
  expect(subject).not.toContain('\n');
});

test.each([
  ['三月账单', 'zh'],
  ['您的 Volley 帐单', 'zh'],
  ['今週のニュース', 'en'],
  ['이번 주 漢字 소식', 'en'],
  ['News', 'en'],
])('%s is answered in %s', (sample, language) => {
  expect(languageOf(sample)).toBe(language);
});

test.each([
  ['no text', 'Only a subject\n', 'must hold a subject'],
  ['no template', 'Hello {{#if}}\n\nText\n', 'probe.zh.txt'],
  ['a partial', 'Hello\n\n{{> evil}}\n', 'probe.zh.txt'],
])('a file with %s stops the start', (_name, content, says) => {
  cpSync('templates/notices', folder, { recursive: true });
  writeFileSync(join(folder, 'probe.zh.txt'), content);
  expect(() => loadLetters(folder)).toThrow(says);
});

test('a folder without the files stops the start', () => {
  expect(() => loadLetters(join(folder, 'nowhere'))).toThrow('cannot read');
});
