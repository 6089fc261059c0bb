/** Outlook.com / Hotmail and Exchange Online, and the words of Exchange Server (NDR codes). */
import { rulesOf } from './rule.ts';

const NDR = 'https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports';

export const MICROSOFT_RULES = rulesOf('microsoft', NDR, [
  {
    id: 'throttled-ip',
    class: 'rate_limited',
    permanent: false,
    pattern:
      /temporarily rate limited|rate limited due to ip reputation|exceeded the maximum number of connections|\bib007\b|tenant has exceeded threshold|exceeded maximum number of messages per connection/,
    evidence:
      '451 4.7.650 The mail server [192.0.2.10] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://postmaster.live.com (S775)',
    counter: '550 5.7.606 Access denied, banned sending IP [192.0.2.10].',
  },
  {
    id: 'throttled-recipient',
    class: 'rate_limited',
    permanent: false,
    pattern:
      /\b[45]\.2\.12[12]\b|recipient has exceeded their limit|recipient (?:thread )?limit exceeded|hourly message receive rate limit/,
    evidence:
      '550 5.2.121 The recipient has exceeded their limit for the number of messages they can receive per hour. For more information go to https://go.microsoft.com/fwlink/?LinkId=526653.',
    counter: '550 5.2.2 STOREDRV.Deliver; recipient mailbox is over its quota',
  },
  {
    id: 'blocked-ip',
    class: 'blocklisted',
    permanent: false,
    pattern:
      /banned sending ip|part of their network is on our block list|\bs3140\b|\bs3150\b|\b5\.7\.(?:60[6-9]|6[1-4]\d|51[12])\b/,
    evidence:
      "550 5.7.1 Unfortunately, messages from [192.0.2.10] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).",
    counter: '451 4.7.650 The mail server [192.0.2.10] has been temporarily rate limited (S775)',
  },
  {
    id: 'unwanted',
    class: 'reputation',
    permanent: false,
    pattern:
      /\b(?:sc|ou|dy|cs)-00[1-9]\b|too many unwanted messages have been sent|access denied, traffic not accepted from this ip|\b5\.7\.70[58]\b/,
    evidence:
      '550 SC-001 (COL004-MC1F1) Unfortunately, messages from 192.0.2.10 were not sent. Please contact your Internet service provider.',
    counter: '550 5.7.515 Access denied, sending domain example.org does not meet the level',
    source: 'https://sendersupport.olc.protection.outlook.com/pm/troubleshooting.aspx',
  },
  {
    id: 'authentication',
    class: 'auth',
    permanent: true,
    pattern:
      /does not meet the required authentication level|\b5\.7\.(?:5?15|509|23)\b|does not pass dmarc verification|\bdomain .{0,60}violates spf/,
    evidence:
      '550 5.7.515 Access denied, sending domain EXAMPLE.ORG does not meet the required authentication level. [AM7EUR06FT003.eop-eur06.prod.protection.outlook.com]',
    counter: '550 5.7.1 Access denied, please contact support',
  },
  {
    id: 'not-authorized',
    class: 'blocked_by_recipient',
    permanent: true,
    pattern:
      /resolver\.rst\.(?:notauthorized|authrequired|sendernotauthenticated|restrictedtorecipients)|\b5\.7\.1(?:2[49]|3[3-6])\b|not authorized to send to (?:this|the) (?:recipient|group)/,
    evidence: '550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized [Stage: CreateMessage]',
    counter: '550 5.1.1 RESOLVER.ADR.RecipNotFound; not found',
  },
  {
    id: 'size',
    class: 'too_large',
    permanent: true,
    pattern: /resolver\.rst\.(?:recip|send)sizelimit|\bmessage too large for this recipient/,
    evidence: '550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient',
    counter: '550 5.2.2 STOREDRV.Deliver; mailbox full',
  },
  {
    id: 'recipient-not-found',
    class: 'bad_mailbox',
    permanent: true,
    pattern:
      /resolver\.adr\.(?:\w{0,10}recip(?:ient)?notfound|invalidinsmtp|badprimary)|recipient not found by smtp address lookup|recipient name is not recognized|\b000c05a6\b|\b5\.1\.351\b|email address wasn['’]t found at the destination|mailbox unavailable \(-?\d+:/,
    evidence:
      '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient user@example.com not found by SMTP address lookup',
    counter: '550 5.4.14 Hop count exceeded - possible mail loop ATTR34',
  },
  {
    id: 'directory-edge',
    class: 'bad_mailbox',
    permanent: true,
    pattern: /recipient address rejected: access denied/,
    evidence:
      '550 5.4.1 Recipient address rejected: Access denied. [AM7EUR06FT003.eop-eur06.prod.protection.outlook.com]',
    counter: '550 5.7.1 Sender address rejected: Access denied',
    source:
      'https://learn.microsoft.com/exchange/mail-flow-best-practices/use-directory-based-edge-blocking',
  },
  {
    id: 'mailbox-full',
    class: 'full',
    permanent: false,
    pattern: /storedrv\.\w{3,12}.{0,60}(?:mailbox full|quota)|mapiexceptionshutoffquotaexceeded/,
    evidence:
      '550 5.2.2 STOREDRV.Deliver; mailbox full. The following information should help identify the cause: "MapiExceptionShutoffQuotaExceeded"',
    counter: '550 5.2.0 STOREDRV.Deliver.Exception:StoragePermanentException',
  },
  {
    id: 'loop',
    class: 'routing',
    pattern: /\b[45]\.4\.14\b|agnt\.[a-z]+\.loop|resolver\.fwd\.loop/,
    evidence: '554 5.4.14 Hop count exceeded - possible mail loop ATTR34 [AM7EUR06FT003]',
    counter: '550 5.4.1 Recipient address rejected: Access denied.',
  },
  {
    id: 'expired',
    class: 'expired',
    pattern: /queue\.expired|\b[45]\.4\.(?:300|316)\b|message expired, (?:connection|cannot)/,
    evidence: '550 5.4.316 Message expired, connection refused(Socket error code 10061)',
    counter: '451 4.4.2 connection reset, will retry',
  },
  {
    id: 'no-such-domain',
    class: 'bad_domain',
    permanent: true,
    pattern: /\b5\.4\.310\b|dns domain .{0,80}does not exist|domain is not reachable/,
    evidence: '550 5.4.310 DNS domain example.com does not exist [Message=InfoDomainNonexistent]',
    counter: '450 4.4.312 DNS query failed',
  },
  {
    id: 'connect-failed',
    class: 'network',
    pattern: /winsock error|\b[45]\.4\.31[2-8]\b|primary target ip address/,
    evidence:
      '441 4.4.1 Error encountered while communicating with primary target IP address: "Failed to connect. Winsock error code: 10060"',
    counter: '550 5.4.310 DNS domain example.com does not exist',
  },
]);
