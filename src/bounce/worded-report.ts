/**
 * bounce/worded-report — a report that has only words: qmail, Exim, old Sendmail, Exchange, Gmail's
 * and Yahoo's old forms, providers in China and Japan, gateways.
 *
 * Promises: `bounce` needs the signs of report-signs.ts; without them the message is no report,
 *           however many addresses it holds. A report that names nobody is still a bounce: our VERP
 *           token says who it was.
 */
import { firstAddress, sameAddress } from './addresses.ts';
import { isPersonalAnswer } from './autoreply.ts';
import { headerText } from './charset.ts';
import type { Classifier } from './classify.ts';
import { localNames } from './families/local-names.ts';
import { familyOf, isFromReporter, looksLikeReport } from './families/report-signs.ts';
import type { TextRecipient } from './families/text-report.ts';
import {
  DELIVERED,
  FAILURE,
  REPORT_SUBJECT,
  WARNING,
  WARNING_SUBJECT,
} from './families/wording.ts';
import type { DsnAction, InspectedRecipient, Inspection } from './inspection.ts';
import type { Material } from './material.ts';
import { firstHeader, type Message } from './message.ts';
import { codesIn } from './reply-text.ts';
import { stageIn } from './stage.ts';
import { judge } from './verdicts.ts';

type Found = Pick<Inspection, 'kind' | 'recipients' | 'family'>;

export function readWordedReport(
  message: Message,
  material: Material,
  classify: Classifier,
): Found | null {
  const { lines } = material.report.text;
  if (!looksLikeReport(message, lines) || isOrdinaryAnswer(message)) return null;
  const subject = headerText(firstHeader(message.headers, 'subject') ?? '').slice(0, 300);
  const named =
    material.report.recipients.length > 0 ? material.report.recipients : localNames(message, lines);
  if (isHimself(message, named)) return null;
  const action = actionOf(subject, lines);
  const recipients = named.map((each) =>
    inspected(each, action, { subject, shared: material.report.shared }, classify),
  );
  const kind = action === 'delivered' ? 'delivered' : 'bounce';
  return { kind, recipients, family: familyOf(message, lines) };
}

/**
 * RFC 3834: an answer from a person's own address, not from a mail system. It may hold any words:
 * `the old mailbox is no longer available, write to ...`.
 */
function isOrdinaryAnswer(message: Message): boolean {
  const { headers } = message;
  const submitted = (firstHeader(headers, 'auto-submitted') ?? '').toLowerCase();
  if (/^auto-(?:replied|generated)\s*\(?vacation/.test(submitted)) return true;
  if (isFromReporter(message) || headers.has('x-failed-recipients')) return false;
  if (isPersonalAnswer(message)) return true;
  const subject = headerText(firstHeader(headers, 'subject') ?? '');
  return submitted.startsWith('auto-replied') && !REPORT_SUBJECT.test(subject);
}

/** Who writes from an address has it: `anna@example.com: I no longer work here`. */
function isHimself(message: Message, named: readonly TextRecipient[]): boolean {
  if (named.length === 0 || message.type === 'multipart/report') return false;
  const from = firstAddress(headerText(firstHeader(message.headers, 'from') ?? ''));
  return from !== null && named.every(({ recipient }) => sameAddress(recipient, from));
}

function actionOf(subject: string, lines: readonly string[]): DsnAction {
  const text = lines.slice(0, 60).join(' ').replace(/\s+/g, ' ').slice(0, 4_000);
  if (WARNING.test(text)) return 'delayed';
  if (WARNING_SUBJECT.test(subject) && !/permanent/i.test(text)) return 'delayed';
  if (DELIVERED.test(text) && !FAILURE.test(text)) return 'delivered';
  return 'failed';
}

function inspected(
  named: TextRecipient,
  action: DsnAction,
  around: { subject: string; shared: string },
  classify: Classifier,
): InspectedRecipient {
  const stage = stageIn(around.shared);
  const { verdict, text } = judge(
    [
      { text: named.reason, status: null, own: true, stage },
      { text: around.shared, status: null, own: false },
      { text: around.subject, status: null, own: false },
    ],
    classify,
  );
  const diagnostic = (named.reason === '' ? text : named.reason).slice(0, 2_000);
  const status = codesIn(named.reason).enhanced ?? codesIn(text).enhanced;
  const { recipient } = named;
  return { recipient, originalRecipient: null, status, action, diagnostic, verdict };
}
