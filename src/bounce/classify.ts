/**
 * bounce/classify — one reply or reason in, one class out.
 *
 * The order is the point: what the text says (rules), then the enhanced status code, then the three
 * digits. QQ's `550 Ip frequency limited` is a throttle although it is a 5xx.
 *
 * Promises: pure and total: every text gets a verdict, `unknown` when nothing fits.
 *           `permanent` is never true for a 4xx, nor for what a later attempt heals (RECOVERABLE),
 *           unless a rule says so of a 5xx. What is said before RCPT is never a recipient's fault.
 * Never:    decides about suppression (policy.ts does, from `fault` of the class).
 * See:      rules/ (the data), rules/enhanced.ts, docs/bounces.md.
 */
import { invariant } from '../kernel/errors.ts';
import { BOUNCE_CLASSES } from './classes.ts';
import type { BounceClass, ReplyText, Verdict } from './classes.ts';
import { codesIn, replyText, type Codes } from './reply-text.ts';
import { compileRules, type Matcher } from './rules/compile.ts';
import { ENHANCED, THREE_DIGITS } from './rules/enhanced.ts';
import { BUILTIN_RULES } from './rules/index.ts';
import type { Rule } from './rules/rule.ts';

export type Classifier = (reply: ReplyText) => Verdict;

export type ClassifierResult = { ok: true; classify: Classifier } | { ok: false; faults: string[] };

/** Not final whatever the first digit was. */
const RECOVERABLE: ReadonlySet<BounceClass> = new Set([
  'rate_limited',
  'greylisted',
  'network',
  'full',
]);

/** `own` rules (an operator's) are tried before the built-in ones. */
export function createClassifier(own: readonly Rule[] = []): ClassifierResult {
  const compiled = compileRules([...own, ...BUILTIN_RULES]);
  if (!compiled.ok) return compiled;
  const { matcher } = compiled;
  return { ok: true, classify: (reply) => verdictOf(matcher, reply) };
}

/** With the built-in rules. */
export const classify: Classifier = builtinClassifier();

/** Remembers its answers: for one report, whose recipients share most of their text. */
export function remembering(classify: Classifier): Classifier {
  const answers = new Map<string, Verdict>();
  return (reply) => {
    const key = [reply.code, reply.enhanced, reply.stage, reply.text].join('\u0000');
    const known = answers.get(key);
    if (known !== undefined) return known;
    const verdict = classify(reply);
    answers.set(key, verdict);
    return verdict;
  };
}

function builtinClassifier(): Classifier {
  const result = createClassifier();
  invariant(result.ok, result.ok ? '' : result.faults.join('; '));
  return result.classify;
}

function verdictOf(matcher: Matcher, reply: ReplyText): Verdict {
  const text = replyText(reply.text);
  const codes = codesOf(reply, text);
  const rule = matcher.match(withCodes(codes, text));
  const verdict =
    rule !== null ? byRule(rule, codes, reply.stage) : (byEnhanced(codes) ?? byThreeDigits(codes));
  return clearRecipient(aboutStatus(withTime(verdict, text), codes), reply.stage);
}

/** Who says so in a 5xx has a trouble of his own, or will know better later. */
const FOR_NOW =
  /\btemporar|\btry (?:again )?later\b|\bplease (?:re-?try|try again)\b|\bmaintenance\b/;

/** `550 temporary failure, user unknown`: the directory was away, the mailbox may well be there. */
function withTime(verdict: Verdict, text: string): Verdict {
  if (!verdict.permanent || BOUNCE_CLASSES[verdict.class].fault !== 'recipient') return verdict;
  return FOR_NOW.test(text) ? { ...verdict, permanent: false } : verdict;
}

/** X.1.7 and X.1.8 are about the sender's address, X.6 about the content (RFC 3463). */
function aboutStatus(verdict: Verdict, { enhanced }: Codes): Verdict {
  if (BOUNCE_CLASSES[verdict.class].fault !== 'recipient' || enhanced === null) return verdict;
  const name = /^\d\.1\.[78]$/.test(enhanced)
    ? 'auth'
    : /^\d\.6\./.test(enhanced)
      ? 'content'
      : null;
  return name === null ? verdict : { ...verdict, class: name, rule: `${verdict.rule}/by-status` };
}

/** `bad_domain` is what a greeting may say (RFC 7504); at MAIL it is the sender's domain. */
const BEFORE_MAIL: ReadonlySet<string> = new Set([
  'connect',
  'greeting',
  'ehlo',
  'starttls',
  'auth',
]);

/**
 * Before RCPT nobody has been named: `550 5.1.1 User unknown` in reply to MAIL means our envelope
 * sender, and must not be held against everybody the message was for.
 */
function clearRecipient(verdict: Verdict, stage: string | null): Verdict {
  const isEarly = stage === 'mail' || (stage !== null && BEFORE_MAIL.has(stage));
  if (!isEarly || BOUNCE_CLASSES[verdict.class].fault !== 'recipient') return verdict;
  if (verdict.class === 'bad_domain' && stage !== 'mail') return verdict;
  const name = verdict.class === 'full' ? 'system' : 'policy';
  return { ...verdict, class: name, rule: `${verdict.rule}/before-rcpt` };
}

function byRule(rule: Rule, codes: Codes, stage: string | null): Verdict {
  const late = rule.class === 'bad_mailbox' ? refusedLate(codes.enhanced, stage) : null;
  const name = late === null ? rule.class : 'blocked_by_recipient';
  return {
    class: name,
    permanent:
      rule.permanent === null
        ? permanentByCodes(name, codes)
        : rule.permanent && !isTransient(codes),
    rule: late === null ? rule.id : `${rule.id}/${late}`,
  };
}

/**
 * `User unknown` is believed when the directory of mailboxes says it: in reply to RCPT, or with
 * x.1.x. After DATA, or with x.2.x (the mailbox is there), it is a refusal in other words.
 */
function refusedLate(enhanced: string | null, stage: string | null): string | null {
  if (stage === 'rcpt' || /^\d\.1\./.test(enhanced ?? '')) return null;
  if (stage === 'data' || stage === 'dot') return 'after-data';
  return /^\d\.2\./.test(enhanced ?? '') ? 'mailbox-exists' : null;
}

function codesOf(reply: ReplyText, text: string): Codes {
  const inText = codesIn(text);
  return {
    code: reply.code ?? inText.code,
    enhanced: informative(reply.enhanced) ? reply.enhanced : (inText.enhanced ?? reply.enhanced),
  };
}

/** `5.0.0` says no more than the first digit. */
function informative(enhanced: string | null): boolean {
  return enhanced !== null && !/^\d\.0\.0$/.test(enhanced);
}

/** Rules may ask for codes; the text of a Reply comes without them. */
function withCodes(codes: Codes, text: string): string {
  const missing: string[] = [];
  if (codes.code !== null && !text.includes(String(codes.code))) missing.push(String(codes.code));
  if (codes.enhanced !== null && !text.includes(codes.enhanced)) missing.push(codes.enhanced);
  return missing.length === 0 ? text : `${missing.join(' ')} ${text}`;
}

function permanentByCodes(name: BounceClass, codes: Codes): boolean {
  return !RECOVERABLE.has(name) && !isTransient(codes);
}

/** A 4xx is never final, whatever a rule says: the receiver asks to try again. */
function isTransient({ code, enhanced }: Codes): boolean {
  return code === null ? (enhanced?.startsWith('4') ?? false) : code < 500;
}

function byEnhanced(codes: Codes): Verdict | null {
  const { enhanced } = codes;
  if (enhanced === null || !informative(enhanced) || enhanced.startsWith('2')) return null;
  const [, subject = '', detail = ''] = enhanced.split('.');
  const name = ENHANCED[`${subject}.${detail}`] ?? ENHANCED[subject];
  if (name === undefined || name === 'unknown') return null;
  return {
    class: name,
    permanent: permanentByCodes(name, codes),
    rule: `enhanced:${enhanced}`,
  };
}

function byThreeDigits(codes: Codes): Verdict {
  if (codes.code === null) {
    const permanent = codes.enhanced?.startsWith('5') ?? false;
    return { class: 'unknown', permanent, rule: 'none' };
  }
  const name = THREE_DIGITS[codes.code] ?? 'unknown';
  return { class: name, permanent: permanentByCodes(name, codes), rule: `code:${codes.code}` };
}
