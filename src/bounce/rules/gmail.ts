/** Gmail and Google Workspace (MX `*.google.com`). */
import { rulesOf } from './rule.ts';

export const GMAIL_RULES = rulesOf('gmail', 'https://support.google.com/a/answer/3726730', [
  {
    id: 'unusual-rate',
    class: 'rate_limited',
    permanent: false,
    pattern:
      /\b[45]\.7\.28\b|unusual rate of (?:unsolicited )?(?:mail|e-?mail)|exceeded its quota for sending messages|daily (?:user )?sending (?:quota|limit) exceeded/,
    evidence:
      '421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address. To protect our users from spam, mail sent from your IP address has been temporarily rate limited.',
    counter: '550 5.7.26 Unauthenticated email is not accepted due to domain policy',
  },
  {
    id: 'recipient-rate',
    class: 'rate_limited',
    permanent: false,
    pattern: /receiving mail (?:at a rate that|too quickly)|at a rate that prevents additional/,
    evidence:
      '450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.',
    counter: '452 4.2.2 The email account that you tried to reach is over quota.',
  },
  {
    id: 'authentication',
    class: 'auth',
    pattern:
      /\b[45]\.7\.(?:2[3-79]|3[0-2])\b|unauthenticated e-?mail|not accepted due to domain's? .{0,40}dmarc|ip address sending this message does not have a ptr/,
    evidence:
      "550-5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy. - gsmtp",
    counter: '421 4.7.28 Gmail has detected an unusual rate of mail',
  },
  {
    id: 'low-reputation',
    class: 'reputation',
    pattern: /very low reputation of the sending/,
    evidence:
      '550 5.7.1 Our system has detected that this message is likely suspicious due to the very low reputation of the sending domain. To best protect our users from spam, the message has been blocked.',
    counter:
      '550 5.7.1 Our system has detected that this message is likely unsolicited mail. - gsmtp',
  },
  {
    id: 'unsolicited',
    class: 'content',
    pattern:
      /likely (?:unsolicited mail|suspicious)|message is suspicious due to|rejected due to spam classification|content presents a potential security|message was blocked because its content/,
    evidence:
      '550-5.7.1 Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked. - gsmtp',
    counter: '550 5.7.1 The user has rejected this message',
  },
  {
    id: 'disabled',
    class: 'inactive',
    pattern: /account that you tried to reach is (?:disabled|inactive)/,
    evidence:
      '550 5.2.1 The email account that you tried to reach is disabled. Learn more at https://support.google.com/mail/?p=DisabledUser - gsmtp',
    counter: '550 5.1.1 The email account that you tried to reach does not exist. - gsmtp',
  },
  {
    id: 'over-quota',
    class: 'full',
    permanent: false,
    pattern: /account that you tried to reach is over quota|inbox is out of storage space/,
    evidence:
      "452 4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaTemp - gsmtp",
    counter: '452 4.3.1 Insufficient system storage',
  },
  {
    id: 'no-such-user',
    class: 'bad_mailbox',
    pattern:
      /account that you tried to reach does not exist|address couldn['’]t be found|answer=6596|\/answer\/6596|p=nosuchuser/,
    evidence:
      '550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking the address. - gsmtp',
    counter: '550 5.2.1 The email account that you tried to reach is disabled. - gsmtp',
  },
  {
    id: 'group',
    class: 'policy',
    permanent: true,
    pattern:
      /the group you tried to contact|permission to post (?:messages )?to (?:the|this) group/,
    evidence:
      "We're writing to let you know that the group you tried to contact (news) may not exist, or you may not have permission to post messages to the group.",
    counter: 'The group is not active today, your message waits',
  },
  {
    id: 'send-as',
    class: 'policy',
    permanent: true,
    pattern: /'send mail as' (?:feature|account)/,
    evidence:
      "Message not delivered. Check the settings of your 'Send mail as' account and try again.",
    counter: 'We could not send your mail as requested',
  },
  {
    id: 'null-mx',
    class: 'bad_domain',
    permanent: true,
    pattern: /doesn't receive e-?mail according to the administrator|returned null mx/,
    evidence:
      "DNS Error: DNS type 'mx' lookup of example.com responded with code NOERROR The domain example.com doesn't receive email according to the administrator: returned Null MX",
    counter: "DNS Error: DNS type 'mx' lookup of example.com responded with code SERVFAIL",
  },
  {
    id: 'no-connection',
    class: 'network',
    pattern: /did not accept our requests to connect|could not initiate smtp conversation/,
    evidence:
      'TEMP_FAILURE: The recipient server did not accept our requests to connect. [mx.example.com (10): Connection dropped]',
    counter: 'The recipient server accepted our message and bounced it',
  },
]);
