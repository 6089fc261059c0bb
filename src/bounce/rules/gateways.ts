/** Filters and hosting firms in front of many domains. */
import { rulesOf } from './rule.ts';

export const GATEWAY_RULES = [
  ...rulesOf('cpanel', 'https://docs.cpanel.net/knowledge-base/email/', [
    {
      id: 'maybe-gone',
      class: 'bad_domain',
      permanent: true,
      pattern: /the account or domain may not exist/,
      evidence:
        'The mail server could not deliver mail to user@example.com. The account or domain may not exist.',
      counter: 'The account may not exist yet',
    },
  ]),
  ...rulesOf('godaddy', 'https://www.godaddy.com/help/email-bounce-error-codes', [
    {
      id: 'hourly-limit',
      class: 'rate_limited',
      permanent: false,
      pattern: /\bib(?:103|104|110|111|504|60[1-9]|007|705)\b|sent to too many recipients/,
      evidence:
        '550 5.1.1 <user@example.com> - 192.0.2.10 has sent to too many recipients this hour. IB607 <http://x.co/rlbounce>',
      counter:
        '554 mx.secureserver.example bizsmtp IB105. Connection refused. 192.0.2.10 is listed on the XBL',
    },
    {
      id: 'listed',
      class: 'blocklisted',
      permanent: false,
      pattern: /\bib(?:10[1256]|108|212)\b/,
      evidence:
        '554 mx.secureserver.example bizsmtp IB105. Connection refused. 192.0.2.10 is listed on the Exploits Block List',
      counter: '550 IB607 has sent to too many recipients this hour',
    },
    {
      id: 'from-domain',
      class: 'auth',
      permanent: true,
      pattern: /\bib50[67]\b|from: domain is invalid/,
      evidence:
        '550 5.2.0 <news@example.org> From: Domain is invalid. Please provide a valid From: IB506',
      counter: '550 IB607 has sent to too many recipients this hour',
    },
  ]),
  ...rulesOf('mimecast', 'https://mimecastsupport.zendesk.com/hc/en-us/articles/34000709564819', [
    {
      id: 'host-not-allowed',
      class: 'reputation',
      permanent: false,
      pattern: /host network not allowed/,
      evidence:
        '554 Host network not allowed - https://community.mimecast.com/docs/DOC-1369#554 [abc.us222]',
      counter: '554 Host unknown',
    },
    {
      id: 'greylist',
      class: 'greylisted',
      permanent: false,
      pattern: /internal resources are temporarily unavailable|ip temporarily blacklisted/,
      evidence:
        '451 Internal resources are temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451 [abc.uk5]',
      counter: '554 Internal resources are exhausted for ever',
    },
    {
      id: 'policy',
      class: 'policy',
      permanent: true,
      pattern:
        /administrative prohibition|rejected by (?:header|email firewall) (?:based|policy)|envelope blocked/,
      evidence:
        '550 Administrative prohibition - envelope blocked - https://community.mimecast.com/docs/DOC-1369#550',
      counter: '550 Relaying is prohibited by the administrator',
    },
  ]),
  ...rulesOf(
    'spectrum',
    'https://www.spectrum.net/support/internet/understanding-email-error-codes',
    [
      {
        id: 'aup',
        class: 'reputation',
        permanent: false,
        pattern: /\baup#(?:in|out|cnct|res|bl)?-?\w{0,10}/,
        evidence: '550 5.1.0 <news@example.org> sender rejected. AUP#In-1310',
        counter: '550 5.1.1 Recipient not found',
      },
    ],
  ),
  ...rulesOf('comcast', 'https://postmaster.comcast.net/', [
    {
      id: 'listed',
      class: 'blocklisted',
      permanent: false,
      pattern: /\bbl0000\d\d\b|\bfound on one or more dnsbls?\b/,
      evidence:
        '554 mx.comcast.example 192.0.2.10 found on one or more DNSBLs, see http://postmaster.comcast.net/smtp-error-codes.php#BL000010',
      counter: '421 4.1.0 192.0.2.10 Throttled - try again later.',
    },
    {
      id: 'throttled',
      class: 'rate_limited',
      permanent: false,
      pattern: /\brl0000\d\d\b|\bthrottl(?:ed|ing)\b/,
      evidence:
        '421 4.1.0 192.0.2.10 Throttled - try again later. Please see http://postmaster.comcast.net/smtp-error-codes.php#RL000001',
      counter: '554 found on one or more DNSBLs, see #BL000010',
    },
  ]),
  ...rulesOf('att', 'https://www.att.com/support/article/email-support/KM1010523/', [
    {
      id: 'listed',
      class: 'blocklisted',
      permanent: false,
      pattern: /\bdnsbl:\w{2,12} \d{3}|>_is_blocked/,
      evidence:
        '553 5.3.0 mx7 DNSBL:RBL 521< 192.0.2.10 >_is_blocked.For assistance forward this email to abuse_rbl@abuse-att.net',
      counter: '553 5.3.0 user@example.com... Address does not exist',
    },
  ]),
  ...rulesOf('facebook', 'https://www.facebook.com/postmaster/response_codes', [
    {
      id: 'recipient-preference',
      class: 'blocked_by_recipient',
      permanent: true,
      pattern: /\brcp-p2\b|refused due to recipient preferences/,
      evidence:
        '550 5.1.1 RCP-P2 http://postmaster.facebook.com/response_codes?ip=192.0.2.10#rcp Refused due to recipient preferences',
      counter:
        '550 5.1.1 RCP-P1 http://postmaster.facebook.com/response_codes?ip=192.0.2.10#rcp Recipient address does not exist',
    },
    {
      id: 'rate',
      class: 'rate_limited',
      permanent: false,
      pattern: /\bcon-t[1-4]\b|\bmsg-t1\b|\brcp-t\d\b/,
      evidence: '421 4.3.2 CON-T1 http://postmaster.facebook.com/response_codes?ip=192.0.2.10#con',
      counter: '554 5.7.1 POL-P3 http://postmaster.facebook.com/response_codes?ip=192.0.2.10#pol',
    },
  ]),
  ...rulesOf('cloudmark', 'https://csi.cloudmark.com/en/reset/', [
    {
      id: 'reputation',
      class: 'reputation',
      permanent: false,
      pattern:
        /csi\.cloudmark\.com|senderscore\.(?:org|net)|talosintelligence\.com|barracuda(?:central|networks)\.(?:org|com)\/reputation/,
      evidence:
        '550 5.7.1 Connection from 192.0.2.10 rejected, see http://csi.cloudmark.com/reset-request/?ip=192.0.2.10',
      counter: '550 5.7.1 Message rejected by Cloudmark content filter',
    },
  ]),
  ...rulesOf('barracuda', 'https://campus.barracuda.com/', [
    {
      id: 'gateway-user',
      class: 'policy',
      permanent: true,
      pattern: /is not a registered gateway user/,
      evidence: "550 'user@example.com' is not a registered gateway user",
      counter: '550 user@example.com is not a registered user',
      source: 'MessageLabs / Symantec Email Security.cloud',
    },
  ]),
  ...rulesOf('ses', 'https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html', [
    {
      id: 'not-verified',
      class: 'policy',
      permanent: true,
      pattern: /email address is not verified/,
      evidence:
        '554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: news@example.org',
      counter: '550 Email address could not be found',
    },
    {
      id: 'suppressed',
      class: 'bad_mailbox',
      permanent: true,
      pattern: /recent history of bouncing as an invalid address|suppression list/,
      evidence:
        'Amazon SES has suppressed sending to this address because it has a recent history of bouncing as an invalid address.',
      counter: 'Amazon SES could not sign the message',
    },
  ]),
];
