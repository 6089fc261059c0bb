/**
 * bounce/report-lines — inspections and verdicts as the JSON lines that `volley bounce inspect
 * --json` and `volley bounce classify --json` print.
 *
 * Promises: pure; one object a line. Where a report states no enhanced status code, `status` is the
 *           one that fits the class (RFC 3463), so that every failed recipient has one.
 * See:      docs/bounces.md (the fields, and the map from classes to hard and soft).
 */
import { BOUNCE_CLASSES, type Action, type BounceClass, type Scope } from './classes.ts';
import type { Verdict } from './classes.ts';
import { codesIn } from './reply-text.ts';
import type { DsnAction, InspectedRecipient, Inspection, InspectionKind } from './inspection.ts';

export interface InspectionLine {
  file: string;
  kind: InspectionKind;
  recipients: RecipientLine[];
}

export interface RecipientLine {
  recipient: string;
  status: string | null;
  hard: boolean | null;
  class: BounceClass;
  action: DsnAction;
}

export interface VerdictLine {
  reply: string;
  class: BounceClass;
  action: Action;
  scope: Scope;
  rule: string;
}

/** RFC 3463 subject and detail that say most nearly what the class says. */
const STATUS_OF_CLASS: Readonly<Record<BounceClass, string>> = {
  bad_mailbox: '1.1',
  bad_domain: '1.2',
  inactive: '2.1',
  full: '2.2',
  blocked_by_recipient: '7.1',
  rate_limited: '7.0',
  reputation: '7.1',
  blocklisted: '7.1',
  content: '7.1',
  auth: '7.0',
  policy: '7.1',
  too_large: '3.4',
  protocol: '5.0',
  routing: '4.6',
  network: '4.1',
  greylisted: '7.1',
  system: '3.0',
  expired: '4.7',
  relayed_denied: '7.1',
  unknown: '0.0',
};

export function inspectionLine(file: string, inspection: Inspection): InspectionLine {
  const recipients = inspection.recipients.map((each) => recipientLine(inspection.kind, each));
  return { file, kind: inspection.kind, recipients };
}

function recipientLine(kind: InspectionKind, each: InspectedRecipient): RecipientLine {
  return {
    recipient: each.recipient,
    status: kind === 'bounce' ? effectiveStatus(each) : each.status,
    hard: kind === 'bounce' ? isHard(each) : null,
    class: each.verdict.class,
    action: each.action,
  };
}

/** The remote's own status, else the reported one, else the one that fits the verdict. */
export function effectiveStatus(recipient: InspectedRecipient): string {
  const { status, verdict, action, diagnostic } = recipient;
  const inText = codesIn(diagnostic);
  for (const each of [inText.enhanced, status]) {
    if (each !== null && !/^\d\.0\.0$/.test(each)) return each;
  }
  if (status !== null) return status;
  const digit = action === 'delayed' ? '4' : (String(inText.code ?? '')[0] ?? '5');
  return `${digit}.${STATUS_OF_CLASS[verdict.class]}`;
}

/** Hard: this address, or its whole domain, can never be reached. A 4.x.x is never hard. */
export function isHard(recipient: InspectedRecipient): boolean {
  const { class: name, permanent } = recipient.verdict;
  if (recipient.action !== 'failed' || !permanent) return false;
  return (
    (name === 'bad_mailbox' || name === 'bad_domain') && !effectiveStatus(recipient).startsWith('4')
  );
}

export function verdictLine(reply: string, verdict: Verdict): VerdictLine {
  const { scope } = BOUNCE_CLASSES[verdict.class];
  return { reply, class: verdict.class, action: actionOf(verdict), scope, rule: verdict.rule };
}

/** As the class says, but nobody is suppressed by what may pass, and nothing is retried after a no. */
function actionOf({ class: name, permanent }: Verdict): Action {
  const { action } = BOUNCE_CLASSES[name];
  if (action === 'suppress' && !permanent) return 'retry';
  return action === 'retry' && permanent ? 'give_up' : action;
}

/**
 * Our classes in the coarse labels by which other classifiers' answers were compared. `content` is
 * both of their labels: we do not tell unwanted content from malformed content.
 */
export const CONSENSUS_OF_CLASS: Readonly<Record<BounceClass, readonly string[]>> = {
  bad_mailbox: ['recipient'],
  bad_domain: ['domain'],
  inactive: ['inactive'],
  full: ['quota'],
  blocked_by_recipient: ['recipient'],
  rate_limited: ['rate'],
  reputation: ['reputation'],
  blocklisted: ['reputation'],
  content: ['spam', 'content'],
  auth: ['auth'],
  policy: ['policy'],
  too_large: ['size'],
  protocol: ['protocol'],
  routing: ['network'],
  network: ['network'],
  greylisted: ['rate'],
  system: ['system'],
  expired: ['expired'],
  relayed_denied: ['relay'],
  unknown: ['unknown'],
};
