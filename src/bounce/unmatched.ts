/**
 * bounce/unmatched — replies that no rule recognised, for whoever writes rules.
 *
 * Pure. Promises: replies that differ only in addresses, numbers, host names and identifiers are one:
 *           `sameness` keeps the words. So what is kept grows with the wordings, not with the mail.
 */
import { replyText } from './reply-text.ts';

export interface UnmatchedReply {
  code: number | null;
  enhanced: string | null;
  text: string;
  stage: string | null;
  /** What its codes alone made of it. */
  class: string;
  /** Destination domain. */
  domain: string;
  at: Date;
}

const MAX_WORDS = 40;

/** By its codes, or by nothing: `enhanced:5.1.1`, `code:550`, `none`. */
export function isUnmatched(rule: string): boolean {
  return rule === 'none' || rule.startsWith('code:') || rule.startsWith('enhanced:');
}

/** What is the same in replies that mean the same. */
export function sameness(reply: Pick<UnmatchedReply, 'code' | 'enhanced' | 'text'>): string {
  const words = replyText(reply.text)
    .split(' ')
    .filter((word) => !/[\d@=/\\]/.test(word) && !/\w\.\w/.test(word))
    .slice(0, MAX_WORDS);
  return [reply.code ?? '', reply.enhanced ?? '', ...words].join(' ');
}
