/**
 * bounce/worded-report — a report that has only words: qmail, Exim, old Sendmail, Exchange, Gmail's
 * and Yahoo's old forms, providers in China and Japan, gateways.
 *
 * Promises: `bounce` needs the signs of report-signs.ts; without them the message is no report,
 *           however many addresses it holds. A report that names nobody is still a bounce: our VERP
 *           token says who it was.
 */
import { headerText } from './charset.ts';
import type { Classifier } from './classify.ts';
import { localNames } from './families/local-names.ts';
import { familyOf, looksLikeReport } from './families/report-signs.ts';
import type { TextRecipient } from './families/text-report.ts';
import { DELIVERED, FAILURE, WARNING, WARNING_SUBJECT } from './families/wording.ts';
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
  const action = actionOf(subject, lines);
  const recipients = named.map((each) =>
    inspected(each, action, { subject, shared: material.report.shared }, classify),
  );
  const kind = action === 'delivered' ? 'delivered' : 'bounce';
  return { kind, recipients, family: familyOf(message, lines) };
}

/** RFC 3834: an answer from a person's own address, not from a mail system. */
function isOrdinaryAnswer(message: Message): boolean {
  const { headers } = message;
  const submitted = (firstHeader(headers, 'auto-submitted') ?? '').toLowerCase();
  return /^auto-(?:replied|generated)\s*\(?vacation/.test(submitted);
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
