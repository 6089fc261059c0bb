/**
 * bounce/status-report — a delivery status notification, its machine-readable part joined with the
 * words of its human part.
 *
 * Promises: recipients come from the status part; the human part only adds reasons. A report that
 *           lost its recipients keeps `bounce` and takes the one address its X-Failed-Recipients or
 *           the returned message's To names.
 * See:      dsn.ts, verdicts.ts.
 */
import { addressesIn, sameAddress } from './addresses.ts';
import { headerText } from './charset.ts';
import type { Classifier } from './classify.ts';
import { readDeliveryStatus, type DsnRecipient, type DsnReport } from './dsn.ts';
import { looksLikeReport } from './families/report-signs.ts';
import { WARNING } from './families/wording.ts';
import type { DsnAction, InspectedRecipient, Inspection } from './inspection.ts';
import type { Material } from './material.ts';
import { firstHeader, partText, type Headers, type Message } from './message.ts';
import { stageIn } from './stage.ts';
import { judge, type Evidence } from './verdicts.ts';

type Found = Pick<Inspection, 'kind' | 'recipients' | 'envelopeId' | 'family'>;

/** Null when the message has no delivery status, or an empty one and no other sign of a report. */
export function readStatusReport(
  message: Message,
  material: Material,
  classify: Classifier,
): Found | null {
  const report = statusOf(message) ?? statusInText(message, material);
  if (report === null) return null;
  const recipients = report.recipients.flatMap((each) => inspected(each, material, classify));
  const { envelopeId } = report;
  if (recipients.length > 0) {
    return { kind: kindOf(recipients), recipients, envelopeId, family: 'rfc3464' };
  }
  const lost = lostRecipients(material);
  if (lost.length === 0) return null;
  return {
    kind: 'bounce',
    recipients: lost.flatMap((each) => inspected(each, material, classify)),
    envelopeId,
    family: 'rfc3464',
  };
}

function kindOf(recipients: readonly InspectedRecipient[]): Inspection['kind'] {
  const failing = recipients.some(({ action }) => action === 'failed' || action === 'delayed');
  return failing ? 'bounce' : 'delivered';
}

function statusOf(message: Message): DsnReport | null {
  let joined: DsnReport | null = null;
  for (const part of message.parts) {
    if (!/^message\/(?:global-|x-)?delivery-status$/.test(part.type)) continue;
    const report = readDeliveryStatus(partText(part));
    if (report === null) continue;
    if (joined === null) joined = report;
    else joined.recipients.push(...report.recipients);
  }
  return joined;
}

/** Gateways flatten reports: the fields then stand in the text. */
function statusInText(message: Message, material: Material): DsnReport | null {
  const start = /^[ \t]*(?:reporting-mta|final-recipient|original-recipient)\s*:/im.exec(
    material.text,
  )?.index;
  if (start === undefined || !looksLikeReport(message, material.report.text.lines)) return null;
  const report = readDeliveryStatus(material.text.slice(start).replace(/^[ \t]+(?=[\w-]+:)/gm, ''));
  return report !== null && report.recipients.length > 0 ? report : null;
}

function lostRecipients(material: Material): DsnRecipient[] {
  const named =
    material.failedRecipients.length > 0
      ? material.failedRecipients
      : material.report.recipients.length > 0
        ? material.report.recipients.map(({ recipient }) => recipient)
        : onlyAddressee(material.returned);
  return named.map((finalRecipient) => ({
    finalRecipient,
    originalRecipient: null,
    action: null,
    status: null,
    diagnostic: '',
    remoteMta: null,
  }));
}

function onlyAddressee(returned: Headers | null): string[] {
  const to = returned === null ? null : firstHeader(returned, 'to');
  const addresses = to === null ? [] : addressesIn(headerText(to), 2);
  return addresses.length === 1 ? addresses : [];
}

function inspected(
  dsn: DsnRecipient,
  material: Material,
  classify: Classifier,
): InspectedRecipient[] {
  const recipient = chosenAddress(dsn);
  if (recipient === null) return [];
  const other = [dsn.originalRecipient, dsn.finalRecipient].find(
    (each) => each !== null && !sameAddress(each, recipient),
  );
  const action = actionOf(dsn, material);
  const { verdict, text } = judge(evidenceOf(dsn, recipient, material), classify);
  const { status } = dsn;
  const diagnostic = dsn.diagnostic === '' ? text.slice(0, 2_000) : dsn.diagnostic;
  return [{ recipient, originalRecipient: other ?? null, status, action, diagnostic, verdict }];
}

/** The final recipient, unless it is only a name inside the reporting host. */
function chosenAddress({ finalRecipient, originalRecipient }: DsnRecipient): string | null {
  if (finalRecipient === null || originalRecipient === null) {
    return finalRecipient ?? originalRecipient;
  }
  const qualified = (address: string): boolean => /@[^@]*\./.test(address);
  return !qualified(finalRecipient) && qualified(originalRecipient)
    ? originalRecipient
    : finalRecipient;
}

function actionOf(dsn: DsnRecipient, material: Material): DsnAction {
  if (dsn.action !== null) return dsn.action;
  if (dsn.status?.startsWith('2') === true) return 'delivered';
  return WARNING.test(material.report.shared.slice(0, 2_000)) ? 'delayed' : 'failed';
}

function evidenceOf(dsn: DsnRecipient, recipient: string, material: Material): Evidence[] {
  const { status, diagnostic, remoteMta } = dsn;
  const stage = stageIn(material.report.shared);
  const host = remoteMta === null || diagnostic === '' ? '' : ` [${remoteMta.slice(0, 100)}]`;
  const beside = [recipient, dsn.originalRecipient, dsn.finalRecipient]
    .map((address) =>
      address === null ? '' : (material.report.reasons.get(address.toLowerCase()) ?? ''),
    )
    .find((reason) => reason !== '');
  const besideStage = beside === undefined ? null : stageIn(beside);
  const evidences: Evidence[] = [
    { text: diagnostic + host, status, own: true, stage: besideStage ?? stage },
  ];
  if (beside !== undefined) evidences.push({ text: beside, status, own: true, stage });
  evidences.push({ text: material.report.shared, status, own: false });
  return evidences;
}
