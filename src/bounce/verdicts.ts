/**
 * bounce/verdicts — which of several texts about one recipient the classifier should believe.
 *
 * A report says it more than once: Diagnostic-Code, the line beside the address, the transcript, the
 * subject. The remote's own words come first; a text that only has a code is believed after one in
 * which a rule recognises words.
 */
import type { Classifier } from './classify.ts';
import type { Verdict } from './classes.ts';
import { stageIn, type ReportedStage } from './stage.ts';

export interface Evidence {
  text: string;
  status: string | null;
  /** The words belong to this recipient alone. */
  own: boolean;
  /** When the text itself does not tell. */
  stage?: ReportedStage;
}

export interface Judged {
  verdict: Verdict;
  /** The text that decided, for the record. */
  text: string;
}

/** At least one evidence. */
export function judge(evidences: readonly Evidence[], classify: Classifier): Judged {
  const judged = evidences.map(({ text, status, own, stage }) => {
    const at = stageIn(text) ?? stage ?? null;
    const verdict = classify({ code: null, enhanced: status, text, stage: at });
    return { verdict, text, weight: weightOf(verdict, own) };
  });
  const best = Math.max(...judged.map(({ weight }) => weight));
  const chosen = judged.find(({ weight }) => weight === best);
  const { verdict, text } = chosen ?? {
    verdict: { class: 'unknown', permanent: false, rule: 'none' } as const,
    text: '',
  };
  return { verdict, text };
}

/** What one provider is known to say is believed even when it stands apart from the address. */
function weightOf({ rule, class: name }: Verdict, own: boolean): number {
  if (rule === 'none') return 0;
  if (rule.startsWith('code:')) return name === 'unknown' ? 1 : own ? 3 : 2;
  if (rule.startsWith('enhanced:')) return own ? 6 : 4;
  if (!rule.startsWith('any.')) return own ? 9 : 8;
  return own ? 7 : 5;
}
