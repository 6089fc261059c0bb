/**
 * mta/failure — what we saw ourselves, in the words of an SMTP reply.
 *
 * Pure. Where there was no reply, the enhanced code (RFC 3463) and the sentence come from here, so
 * that every outcome can be explained and classified alike.
 *
 * Promises: one entry per LocalFailure. `permanent` says whether the outcome is `rejected`.
 */
import type { LocalFailure } from './outcome.ts';

export interface FailureFacts {
  permanent: boolean;
  enhanced: string;
  text: string;
}

function facts(permanent: boolean, enhanced: string, text: string): FailureFacts {
  return { permanent, enhanced, text };
}

const FAILURES: Record<LocalFailure, FailureFacts> = {
  bad_address: facts(true, '5.1.3', 'The address cannot be put into an SMTP command'),
  no_such_domain: facts(true, '5.1.2', 'The domain does not exist, or has no host for mail'),
  null_mx: facts(true, '5.1.10', 'The domain says that it takes no mail (null MX)'),
  dns_temporary: facts(false, '4.4.3', 'The DNS gave no usable answer'),
  loops_to_self: facts(true, '5.4.6', 'Mail for the domain would come back to this host'),
  private_address: facts(true, '5.4.4', 'The hosts of the domain have no public address'),
  source_failed: facts(false, '4.4.0', 'None of our own addresses could be sent from'),
  connect_failed: facts(false, '4.4.1', 'No host of the domain accepted a connection'),
  connect_timeout: facts(false, '4.4.1', 'The host did not answer in time'),
  connection_lost: facts(false, '4.4.2', 'The connection was lost'),
  reply_timeout: facts(false, '4.4.2', 'The host did not reply in time'),
  protocol_error: facts(false, '4.5.0', 'The host did not speak SMTP as it should'),
  tls_failed: facts(false, '4.7.5', 'TLS could not be established'),
  auth_failed: facts(false, '4.7.8', 'The host did not accept our user name and password'),
  certificate_unverified: facts(false, '4.7.5', "The host's certificate could not be verified"),
  sts_mx_mismatch: facts(false, '4.7.5', "The domain's MTA-STS policy does not name the host"),
  encryption_needed: facts(true, '5.7.10', 'No host of the domain can be authenticated'),
  requiretls_unsupported: facts(true, '5.7.30', 'The host does not offer REQUIRETLS'),
  too_large: facts(true, '5.3.4', 'The message is larger than the host takes'),
  eight_bit_unsupported: facts(true, '5.6.3', 'The message has 8-bit text, the host takes 7-bit'),
  smtputf8_unsupported: facts(true, '5.6.7', 'The address has non-ASCII characters, the host none'),
  storage_failed: facts(false, '4.3.0', 'The message could not be written to its folder'),
  aborted: facts(false, '4.3.2', 'Sending was stopped before the message went out'),
  render_failed: facts(true, '5.6.0', 'The message could not be made'),
};

export function describeFailure(failure: LocalFailure): FailureFacts {
  return FAILURES[failure];
}
