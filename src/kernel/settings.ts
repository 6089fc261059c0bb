/**
 * kernel/settings — every setting of Volley: its name, its variable, its default, its meaning.
 *
 * Promises: this table is the only list. `volley config` prints it, the README's table is compared
 *           with it by a house test, kernel/config.ts reads values through it.
 * Never:    reads the environment (config.ts does).
 */
import { MAX_DELIVERIES_OF_EVENT } from './events.ts';
import { hostname } from 'node:os';
import { z } from 'zod';
import { LOG_LEVELS } from './log.ts';
import {
  flag,
  integer,
  isTimeZone,
  list,
  mailAddress,
  port,
  routes,
  setting,
} from './setting-values.ts';
import type { Setting } from './setting-values.ts';

export const SETTINGS = {
  dataDir: setting(
    'VOLLEY_DATA_DIR',
    z.string().min(1).default('.volley'),
    'Folder of the embedded PostgreSQL and the generated secret',
  ),
  databaseUrl: setting(
    'DATABASE_URL',
    z
      .string()
      .regex(/^postgres(ql)?:\/\//, 'must start with postgres://')
      .optional(),
    'PostgreSQL (>= 15) to use instead of the embedded one',
    { secret: true },
  ),
  databasePoolSize: setting(
    'VOLLEY_DATABASE_POOL_SIZE',
    integer(4, 200, 16),
    'Connections to PostgreSQL of this process',
  ),
  secret: setting(
    'VOLLEY_SECRET',
    z.string().min(32, 'must have at least 32 characters').optional(),
    'Signs VERP addresses and links, seals DKIM keys; generated into the data folder when unset',
    { secret: true },
  ),
  previousSecrets: setting(
    'VOLLEY_PREVIOUS_SECRETS',
    list(z.string().min(32)).default([]),
    'Former values of VOLLEY_SECRET, newest first, whose bounces and links still count',
    { secret: true },
  ),
  apiHost: setting('VOLLEY_API_HOST', z.string().min(1).default('127.0.0.1'), 'API address'),
  apiPort: setting('VOLLEY_API_PORT', port(8080), 'API port'),
  bounceHost: setting(
    'VOLLEY_BOUNCE_HOST',
    z.string().min(1).default('127.0.0.1'),
    'Bounce listener address',
  ),
  bouncePort: setting('VOLLEY_BOUNCE_PORT', port(2525), 'Bounce listener port'),
  bounceMaxMessageBytes: setting(
    'VOLLEY_BOUNCE_MAX_MESSAGE_BYTES',
    integer(65_536, 104_857_600, 10_485_760),
    'Largest message the bounce listener takes, bytes',
  ),
  bounceMaxConnections: setting(
    'VOLLEY_BOUNCE_MAX_CONNECTIONS',
    integer(1, 10_000, 200),
    'Connections to the bounce listener at one time',
  ),
  bounceMaxConnectionsPerAddress: setting(
    'VOLLEY_BOUNCE_MAX_CONNECTIONS_PER_ADDRESS',
    integer(1, 10_000, 50),
    'Of these from one address (IPv6: one /64)',
  ),
  bounceMaxMessagesPerMinute: setting(
    'VOLLEY_BOUNCE_MAX_MESSAGES_PER_MINUTE',
    integer(1, 10_000_000, 60_000),
    'Messages that the bounce listener takes from one address (IPv6: one /64)',
  ),
  bounceTlsCert: setting(
    'VOLLEY_BOUNCE_TLS_CERT',
    z.string().min(1).optional(),
    'PEM file of the bounce listener: certificate and chain; self-signed when unset',
  ),
  bounceTlsKey: setting(
    'VOLLEY_BOUNCE_TLS_KEY',
    z.string().min(1).optional(),
    'PEM file of the private key; unset: it stands in the certificate file',
  ),
  minFreeBytes: setting(
    'VOLLEY_MIN_FREE_BYTES',
    integer(0, Number.MAX_SAFE_INTEGER, 536_870_912),
    'With the embedded PostgreSQL: free bytes of its disk below which no returning mail is taken',
  ),
  inboundSources: setting(
    'VOLLEY_INBOUND_SOURCES',
    list(
      z
        .string()
        .regex(
          /^(?:maildir|mbox|imaps?|pop3s?):\/\//,
          'must be a maildir:, mbox:, imap(s): or pop3(s): URL',
        ),
    ).default([]),
    'Where else returning mail waits, comma separated: maildir:///path, mbox:///path, imaps:// or pop3s://user:password@host',
    { secret: true },
  ),
  inboundPollSeconds: setting(
    'VOLLEY_INBOUND_POLL_SECONDS',
    integer(1, 86_400, 60),
    'How often these are looked at',
  ),
  bounceRules: setting(
    'VOLLEY_BOUNCE_RULES',
    z.string().min(1).optional(),
    'YAML or JSON file of classification rules, tried before the built-in ones; read again when it changes',
  ),
  postmasterForwardTo: setting(
    'VOLLEY_POSTMASTER_FORWARD_TO',
    mailAddress.optional(),
    'Who gets a copy of mail to postmaster and abuse of the bounce domains',
  ),
  heloName: setting(
    'VOLLEY_HELO_NAME',
    z.string().min(1).default(hostname()),
    'Name in EHLO; should resolve to the sending address',
    { defaultText: "the machine's host name" },
  ),
  dnsServer: setting(
    'VOLLEY_DNS_SERVER',
    z
      .string()
      .regex(/^[^\s:]+:\d{1,5}$/, 'must be address:port')
      .optional(),
    'DNS server for MX and address look-ups',
    { defaultText: "the system's" },
  ),
  dnsTrustAd: setting(
    'VOLLEY_DNS_TRUST_AD',
    flag(false),
    'Believe the DNSSEC verdict (AD) of a DNS server that is not on this machine; one on it always is',
  ),
  tlsMode: setting(
    'VOLLEY_TLS_MODE',
    z.enum(['none', 'opportunistic', 'required', 'verified']).default('opportunistic'),
    'TLS to receivers, where neither a route nor the policy of the domain asks for more',
  ),
  tlsCaFile: setting(
    'VOLLEY_TLS_CA_FILE',
    z.string().min(1).optional(),
    "PEM file of authorities to trust beside the system's, for receivers and policy servers",
  ),
  dane: setting(
    'VOLLEY_DANE',
    flag(true),
    'Ask for TLSA records and do as they say (DANE); takes a DNS server whose DNSSEC verdict counts',
  ),
  mtaSts: setting(
    'VOLLEY_MTA_STS',
    flag(true),
    'Ask for MTA-STS policies of domains and do as they say',
  ),
  mtaStsPort: setting(
    'VOLLEY_MTA_STS_PORT',
    port(443),
    'Port of the web servers that publish MTA-STS policies',
  ),
  tlsReportSender: setting(
    'VOLLEY_TLS_REPORT_SENDER',
    mailAddress.optional(),
    'From address of the sender that writes daily TLS reports to domains that ask for them (TLS-RPT); unset: none are made',
  ),
  tlsReportOrganization: setting(
    'VOLLEY_TLS_REPORT_ORGANIZATION',
    z
      .string()
      .regex(/^[^\p{Cc}]{1,200}$/u, 'must be one line of at most 200 characters')
      .optional(),
    'Whose reports these are, in their words',
    { defaultText: "the sender's domain" },
  ),
  tlsReportContact: setting(
    'VOLLEY_TLS_REPORT_CONTACT',
    mailAddress.optional(),
    'Whom the domains may ask about their reports',
    { defaultText: 'the sender' },
  ),
  routes: setting(
    'VOLLEY_ROUTES',
    routes,
    'Static routes instead of MX: domain=host:port, comma separated; *.domain for all below it, * for all the others',
  ),
  mailDir: setting(
    'VOLLEY_MAIL_DIR',
    z.string().min(1).optional(),
    'Folder that routes to files write below',
    { defaultText: 'mail in the data folder' },
  ),
  allowPrivateMx: setting(
    'VOLLEY_ALLOW_PRIVATE_MX',
    flag(false),
    'Send to MX hosts with loopback and private addresses too, as the practice range has them',
  ),
  smtpPort: setting('VOLLEY_SMTP_PORT', port(25), 'Port of the receivers that MX records name'),
  maxConnections: setting(
    'VOLLEY_MAX_CONNECTIONS',
    integer(1, 20_000, 500),
    'SMTP connections of this process at one time',
  ),
  maxConnectionsPerDestination: setting(
    'VOLLEY_MAX_CONNECTIONS_PER_DESTINATION',
    integer(1, 1_000, 10),
    'SMTP connections to one destination domain at one time',
  ),
  maxMessagesPerConnection: setting(
    'VOLLEY_MAX_MESSAGES_PER_CONNECTION',
    integer(1, 100_000, 100),
    'Transactions before a connection is closed',
  ),
  maxMessagesPerRoundTrip: setting(
    'VOLLEY_MAX_MESSAGES_PER_ROUND_TRIP',
    integer(1, 100, 8),
    'Messages on one connection before the first is answered, on long lines to receivers with CHUNKING; 1: never more than one',
  ),
  maxBytesInFlight: setting(
    'VOLLEY_MAX_BYTES_IN_FLIGHT',
    integer(1_048_576, Number.MAX_SAFE_INTEGER, 268_435_456),
    'Messages of this process in memory at one time, bytes; a bigger one goes alone',
  ),
  maxRecipientsPerCopy: setting(
    'VOLLEY_MAX_RECIPIENTS_PER_COPY',
    integer(1, 1_000, 50),
    'RCPT commands in one transaction of single-copy delivery',
  ),
  batchSize: setting(
    'VOLLEY_BATCH_SIZE',
    integer(1, MAX_DELIVERIES_OF_EVENT, 100),
    'Recipients in one batch of one destination domain',
  ),
  connectTimeoutSeconds: setting(
    'VOLLEY_CONNECT_TIMEOUT_SECONDS',
    integer(1, 300, 30),
    'How long a TCP connection may take',
  ),
  retryScheduleSeconds: setting(
    'VOLLEY_RETRY_SCHEDULE_SECONDS',
    list(z.coerce.number().int().min(1).max(86_400)).default([
      300, 900, 1_800, 3_600, 7_200, 14_400, 21_600,
    ]),
    'Waits after the first, second, ... temporary failure; the last one repeats until the ttl',
  ),
  leaseSeconds: setting(
    'VOLLEY_LEASE_SECONDS',
    integer(5, 600, 30),
    'How long a dead process keeps its batches',
  ),
  drainSeconds: setting(
    'VOLLEY_DRAIN_SECONDS',
    integer(1, 3_600, 30),
    'How long Ctrl-C waits for messages on the wire',
  ),
  softBounceAction: setting(
    'VOLLEY_SOFT_BOUNCE_ACTION',
    z.enum(['probe', 'suppress', 'none']).default('probe'),
    'After too many soft bounces: ask by mail and then suppress, suppress at once, or nothing',
  ),
  warnAfterDays: setting(
    'VOLLEY_WARN_AFTER_DAYS',
    integer(0, 90, 1),
    'Days from the last soft bounce that was too many to the warning',
  ),
  probeAfterDays: setting(
    'VOLLEY_PROBE_AFTER_DAYS',
    integer(0, 90, 3),
    'Days from a warning that came back to the probe',
  ),
  probeGraceDays: setting(
    'VOLLEY_PROBE_GRACE_DAYS',
    integer(0, 90, 5),
    'Days without a bounce after which a warning or probe was received',
  ),
  alarmIntervalSeconds: setting(
    'VOLLEY_ALARM_INTERVAL_SECONDS',
    integer(1, 3_600, 30),
    'How often bounce, deferral and complaint rates are compared with the alarm rules',
  ),
  dailyReportTo: setting(
    'VOLLEY_DAILY_REPORT_TO',
    list(mailAddress).default([]),
    'Who gets the report of the day before by mail, comma separated; unset: nobody',
  ),
  dailyReportFrom: setting(
    'VOLLEY_DAILY_REPORT_FROM',
    mailAddress.optional(),
    'From address of the sender that it comes from',
  ),
  dailyReportAt: setting(
    'VOLLEY_DAILY_REPORT_AT',
    z
      .string()
      .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time like 07:30')
      .default('07:00'),
    'When it is sent: after the UTC day has ended, at this time',
  ),
  dailyReportZone: setting(
    'VOLLEY_DAILY_REPORT_ZONE',
    z.string().refine(isTimeZone, 'must be a time zone like Asia/Shanghai').default('UTC'),
    'The time zone of that time',
  ),
  dailyReportLanguage: setting(
    'VOLLEY_DAILY_REPORT_LANGUAGE',
    z.enum(['en', 'zh']).default('en'),
    'Its language',
  ),
  inboundDays: setting(
    'VOLLEY_INBOUND_DAYS',
    integer(1, 36_500, 90),
    'Days that returned messages are kept as they came',
  ),
  attemptDays: setting(
    'VOLLEY_ATTEMPT_DAYS',
    integer(31, 36_500, 400),
    'Days that every attempt of a delivery is kept; results and reports stay for ever',
  ),
  noticeDays: setting(
    'VOLLEY_NOTICE_DAYS',
    integer(91, 36_500, 180),
    "Days that Volley's own mails (confirmations, warnings, probes, reports) are kept",
  ),
  rejectDays: setting(
    'VOLLEY_REJECT_DAYS',
    integer(1, 36_500, 90),
    'Days that the rejected rows of uploads and imports can be had',
  ),
  logLevel: setting('VOLLEY_LOG_LEVEL', z.enum(LOG_LEVELS).default('info'), 'Least level logged'),
} as const;

export type SettingName = keyof typeof SETTINGS;
export type Config = {
  readonly [K in SettingName]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;
};
