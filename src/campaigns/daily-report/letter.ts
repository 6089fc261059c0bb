/**
 * campaigns/daily-report/letter — the words of the daily report: templates/notices/daily.*.html, in
 * English and Chinese.
 *
 * A file is a subject line, an empty line, and HTML; Handlebars. Operators may change the files; the
 * one of the configured language is read once, when Volley starts: a fault in it is said then, not on
 * the morning after.
 *
 * Promises: what comes from campaigns and receivers is escaped.
 * Fails:    AppError `config_invalid` when a file is missing, is no template or has no subject.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AppError, messageOf } from '../../kernel/errors.ts';
import { plainTextOf } from '../templates/plain-text.ts';
import { compileTemplate } from '../templates/render.ts';
import type { Variables } from '../templates/render.ts';
import { checkSyntax } from '../templates/syntax.ts';

export const REPORT_LANGUAGES = ['en', 'zh'] as const;
export type ReportLanguage = (typeof REPORT_LANGUAGES)[number];

export interface ReportLetter {
  subject: string;
  html: string;
  text: string;
}

export type ComposeReport = (facts: Variables) => ReportLetter;

const FOLDER = fileURLToPath(new URL('../../../templates/notices', import.meta.url));

export function loadReportLetter(language: ReportLanguage, folder: string = FOLDER): ComposeReport {
  const path = `${folder}/daily.${language}.html`;
  const source = read(path);
  const at = source.indexOf('\n\n');
  const [subject, html] = [source.slice(0, Math.max(0, at)).trim(), source.slice(at + 2)];
  if (at < 0 || subject === '') {
    throw new AppError('config_invalid', `${path} must hold a subject, an empty line and HTML`);
  }
  const checked = checkSyntax(source);
  if (!checked.ok) {
    const reason = checked.faults.map((fault) => fault.reason).join('; ');
    throw new AppError('config_invalid', `${path}: ${reason}`);
  }
  const [renderSubject, renderHtml] = [
    compileTemplate(subject, 'none'),
    compileTemplate(html, 'html'),
  ];
  return (facts) => {
    const rendered = renderHtml(facts);
    return { subject: renderSubject(facts), html: rendered, text: plainTextOf(rendered) };
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').replaceAll('\r\n', '\n');
  } catch (error) {
    throw new AppError('config_invalid', `cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
