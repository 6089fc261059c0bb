/**
 * campaigns/notices/letters — what Volley writes in its warnings and probes: templates/notices, in
 * English and Chinese.
 *
 * A file is a subject line, an empty line, and the text; Handlebars with `address`, `evidence`,
 * `sender` and `from`. Operators may change the files; they are read at the start.
 *
 * Promises: the language of the mail that failed: Chinese when that is Chinese, else English.
 * Fails:    AppError `config_invalid` when a file is missing, is no template or has no subject.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LetterFacts } from '../../bounce/watch/keeper.ts';
import { AppError, messageOf } from '../../kernel/errors.ts';
import { compileTemplate } from '../templates/render.ts';
import type { Render } from '../templates/render.ts';
import { checkSyntax } from '../templates/syntax.ts';

export interface Letter {
  subject: string;
  text: string;
}
export type Letters = (facts: LetterFacts) => Letter;
type Language = 'en' | 'zh';

const FOLDER = fileURLToPath(new URL('../../../templates/notices', import.meta.url));
const MAX_EVIDENCE = 500;
const OTHER_USERS_OF_HAN = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

export function loadLetters(folder: string = FOLDER): Letters {
  const kinds = {
    warning: { en: load(folder, 'warning', 'en'), zh: load(folder, 'warning', 'zh') },
    probe: { en: load(folder, 'probe', 'en'), zh: load(folder, 'probe', 'zh') },
  };
  return (facts) => {
    const letter = kinds[facts.kind][languageOf(facts.sample)];
    const variables = {
      address: facts.address,
      evidence: facts.evidence.slice(0, MAX_EVIDENCE),
      sender: facts.fromName,
      from: facts.fromAddress,
    };
    return { subject: letter.subject(variables), text: letter.text(variables) };
  };
}

/** Han and no kana, no hangul. */
export function languageOf(sample: string): Language {
  const han = /\p{Script=Han}/u.test(sample);
  return han && !OTHER_USERS_OF_HAN.test(sample) ? 'zh' : 'en';
}

function load(folder: string, name: string, language: Language): { subject: Render; text: Render } {
  const path = `${folder}/${name}.${language}.txt`;
  let source: string;
  try {
    source = readFileSync(path, 'utf8').replaceAll('\r\n', '\n');
  } catch (error) {
    throw new AppError('config_invalid', `cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const [subject, text] = split(source);
  if (subject === '' || text === '') {
    throw new AppError('config_invalid', `${path} must hold a subject, an empty line and a text`);
  }
  return { subject: compile(path, subject), text: compile(path, text) };
}

function split(source: string): [string, string] {
  const at = source.indexOf('\n\n');
  return at < 0 ? [source.trim(), ''] : [source.slice(0, at).trim(), source.slice(at + 2).trim()];
}

function compile(path: string, source: string): Render {
  const checked = checkSyntax(source);
  if (!checked.ok) {
    const reason = checked.faults.map((fault) => fault.reason).join('; ');
    throw new AppError('config_invalid', `${path}: ${reason}`);
  }
  return compileTemplate(source, 'none');
}
