/** interop/parties — who takes part: receivers, and verifiers of DKIM. */
import { exim } from './receivers/exim.ts';
import { opensmtpd } from './receivers/opensmtpd.ts';
import { postfix } from './receivers/postfix.ts';
import { sendmail } from './receivers/sendmail.ts';
import type { ReceiverKind } from './receiver.ts';
import { OPENDKIM, DKIMPY } from './verifiers.ts';

export const RECEIVERS: readonly ReceiverKind[] = [postfix, exim, opensmtpd, sendmail];

/** Debian packages by name of the party. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(RECEIVERS.map(({ name, packages }) => [name, packages])),
  opendkim: OPENDKIM,
  dkimpy: DKIMPY,
};
