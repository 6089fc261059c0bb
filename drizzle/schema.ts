/**
 * drizzle/schema — every table of Volley, in the order data meets them.
 *
 * Promises: this file and drizzle/migrations say the same (a house test compares them). Every index
 *           names the query that needs it. Row types of the stores are inferred from here.
 * Sizing:   `recipients`, `deliveries` and `events` are the big ones: think of 10 M rows each.
 *           Everything the hot path updates is narrow, and the wide facts are append-only.
 * See:      DESIGN.md "States and commit points"; src/kernel/ids.ts for the public form of ids.
 */
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  customType,
  date,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgEnum,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
} from 'drizzle-orm/pg-core';

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' });
const int8multirange = customType<{ data: string }>({ dataType: () => 'int8multirange' });
const identity = () => bigint({ mode: 'bigint' }).primaryKey().generatedAlwaysAsIdentity();
const int8 = () => bigint({ mode: 'bigint' });
const at = () => timestamp({ withTimezone: true });
const createdAt = () => at().notNull().defaultNow();

// --- who may call -------------------------------------------------------------------------------

export const apiKeys = pgTable('api_keys', {
  id: identity(),
  name: text().notNull(),
  /** SHA-256 of the whole key; the key itself is shown once and never stored. */
  hash: bytea().notNull().unique(),
  /** First characters, so that an operator can tell keys apart. */
  hint: text().notNull(),
  scopes: text().array().notNull(),
  createdAt: createdAt(),
  revokedAt: at(),
});

/** One row per `Idempotency-Key` seen; purged after 24 h. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    apiKeyId: int8().notNull(),
    route: text().notNull(),
    key: text().notNull(),
    /** SHA-256 of the request body; null while a streamed body is still arriving. */
    fingerprint: bytea(),
    /** null while the first request is still running. */
    status: smallint(),
    body: text(),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ columns: [t.apiKeyId, t.route, t.key] }),
    index('idempotency_keys_created_at').on(t.createdAt),
  ],
);

// --- who sends ----------------------------------------------------------------------------------

export const senders = pgTable('senders', {
  id: identity(),
  fromAddress: text().notNull(),
  displayName: text().notNull(),
  /** ASCII domain of `fromAddress`: the DKIM d=, and a suppression scope. */
  domain: text().notNull(),
  bounceDomain: text().notNull(),
  unsubscribeBaseUrl: text(),
  /** Of `sources`: what its mail is sent from, where the route names no pool. */
  pool: text(),
  /** What its campaigns ask for unless they say otherwise (REQUIRETLS, RFC 8689). */
  requireTls: boolean().notNull().default(false),
  createdAt: createdAt(),
});

/** pending: to be published, signs nothing yet. retired: signs no more, its record stays a while. */
export const dkimKeyStateEnum = pgEnum('dkim_key_state', ['pending', 'active', 'retired']);

/** Several per sender: an RSA and an Ed25519 key are made with it; rotation adds more. */
export const dkimKeys = pgTable(
  'dkim_keys',
  {
    id: identity(),
    senderId: int8()
      .notNull()
      .references(() => senders.id),
    selector: text().notNull(),
    /** `rsa-sha256` or `ed25519-sha256` (RFC 8463). */
    algorithm: text().notNull(),
    /** PKCS#8 PEM, AES-256-GCM under a key derived from VOLLEY_SECRET. */
    privateKeySealed: bytea().notNull(),
    /** The p= value of the DNS record. */
    publicKey: text().notNull(),
    state: dkimKeyStateEnum().notNull().default('active'),
    createdAt: createdAt(),
    retiredAt: at(),
  },
  (t) => [uniqueIndex('dkim_keys_sender_selector').on(t.senderId, t.selector)],
);

// --- what is sent -------------------------------------------------------------------------------

/** Immutable: a changed template is a new content row, a campaign freezes the row it started with. */
export const contents = pgTable('contents', {
  id: identity(),
  subject: text().notNull(),
  /** `mjml` or `html`: the language of `source`. */
  format: text().notNull(),
  source: text().notNull(),
  /** Handlebars HTML, MJML already compiled. */
  html: text().notNull(),
  /** Handlebars text part, as given or made from the HTML. */
  text: text().notNull(),
  /** Names of the variables used, dotted, sorted. Empty: the same for all recipients. */
  variables: text().array().notNull(),
  createdAt: createdAt(),
});

export const templates = pgTable('templates', {
  id: identity(),
  name: text().notNull(),
  contentId: int8()
    .notNull()
    .references(() => contents.id),
  createdAt: createdAt(),
});

export const streamEnum = pgEnum('stream', ['transactional', 'statement', 'marketing']);
export const deliveryModeEnum = pgEnum('delivery_mode', ['auto', 'single_copy', 'parallel']);
export const ambiguityPolicyEnum = pgEnum('ambiguity_policy', ['hold', 'retry', 'assume_accepted']);
export const campaignStateEnum = pgEnum('campaign_state', [
  'draft',
  'expanding',
  'sending',
  'paused',
  'cancelling',
  'completed',
  'cancelled',
]);

export const campaigns = pgTable(
  'campaigns',
  {
    id: identity(),
    name: text().notNull(),
    /** `campaign`, or `notice`: mail of Volley itself (src/campaigns/notices.ts), not listed. */
    purpose: text().notNull().default('campaign'),
    senderId: int8()
      .notNull()
      .references(() => senders.id),
    contentId: int8()
      .notNull()
      .references(() => contents.id),
    stream: streamEnum().notNull(),
    mode: deliveryModeEnum().notNull(),
    ttlSeconds: integer().notNull(),
    ambiguityPolicy: ambiguityPolicyEnum().notNull(),
    /** Only over authenticated TLS to hosts that promise the same (REQUIRETLS, RFC 8689). */
    requireTls: boolean().notNull().default(false),
    state: campaignStateEnum().notNull().default('draft'),
    /** Why an alarm paused it; null: a person did, or it is not paused. */
    pauseReason: text(),
    /** Rows in `recipients`: the left side of the balance. Set by each upload's commit. */
    recipientCount: int8()
      .notNull()
      .default(sql`0`),
    /** Expansion: deliveries take the ids [firstDeliveryId, firstDeliveryId + recipientCount). */
    firstDeliveryId: int8(),
    /** How many recipients are expanded, and the (domain, id) of the last one: the restart point. */
    expandedCount: int8()
      .notNull()
      .default(sql`0`),
    expandedDomain: text(),
    expandedRecipientId: int8(),
    createdAt: createdAt(),
    startedAt: at(),
    /** startedAt + ttlSeconds: no attempt begins after it. */
    expiresAt: at(),
    finishedAt: at(),
  },
  // The dispatcher lists the campaigns in work; the others are history and must cost nothing.
  (t) => [
    index('campaigns_in_work')
      .on(t.id)
      .where(sql`state in ('expanding', 'sending', 'paused', 'cancelling')`),
    // Reports leave them out.
    index('campaigns_notices')
      .on(t.id)
      .where(sql`purpose = 'notice'`),
    // May a content go? Nothing else but the purge of notices deletes one.
    index('campaigns_content').on(t.contentId),
  ],
);

// --- to whom ------------------------------------------------------------------------------------

export const recipients = pgTable(
  'recipients',
  {
    id: identity(),
    campaignId: int8().notNull(),
    /** As it goes into RCPT TO: local part as given, domain lower case ASCII (punycode). */
    address: text().notNull(),
    /** What deduplication and suppression compare (src/kernel/address.ts). */
    addressKey: text().notNull(),
    /** Domain part of `address`. */
    domain: text().notNull(),
    name: text(),
    /** All other columns of the row; null when there are none. */
    variables: jsonb().$type<Record<string, unknown>>(),
  },
  (t) => [
    // Duplicates inside a campaign are refused here, whatever upload they come in.
    uniqueIndex('recipients_campaign_address').on(t.campaignId, t.addressKey),
    // Expansion walks this: one destination domain after the other.
    index('recipients_campaign_domain').on(t.campaignId, t.domain, t.id),
  ],
);

/** What Volley wrote on its own account, to whom and when: limits read it. */
export const notices = pgTable(
  'notices',
  {
    id: identity(),
    campaignId: int8().notNull(),
    /** `unsubscribe`, `list`, `postmaster`, ... (src/bounce/notices.ts). */
    kind: text().notNull(),
    addressKey: text().notNull(),
    createdAt: createdAt(),
  },
  (t) => [
    // How many this address got today, and how many of a kind went out this hour.
    index('notices_address').on(t.addressKey, t.kind, t.createdAt),
    index('notices_kind').on(t.kind, t.createdAt),
    // The purge.
    index('notices_campaign').on(t.campaignId),
  ],
);

export const uploads = pgTable(
  'uploads',
  {
    id: identity(),
    campaignId: int8().notNull(),
    accepted: integer().notNull(),
    duplicate: integer().notNull(),
    invalid: integer().notNull(),
    /** Of the accepted: already on the suppression list. They stay recipients and are not sent. */
    suppressed: integer().notNull(),
    createdAt: createdAt(),
  },
  (t) => [index('uploads_campaign').on(t.campaignId, t.id)],
);

export const uploadRejects = pgTable(
  'upload_rejects',
  {
    uploadId: int8().notNull(),
    /** 1-based data row of the upload (a CSV header is not counted). */
    rowNumber: integer().notNull(),
    /** As it came, cut to 320 characters. */
    input: text().notNull(),
    code: text().notNull(),
    reason: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.uploadId, t.rowNumber] })],
);

// --- the work -----------------------------------------------------------------------------------

/**
 * pending: nothing final is known. sending: pending, and marked by its batch; it is shown and never
 * stored (kernel/marks). The others are final; `ambiguous` ends by policy or by hand.
 *
 * It was stored once. PostgreSQL drops no value of an enum, and another type would rewrite the table
 * and its index under an exclusive lock, which with ten million rows is minutes for nothing.
 */
export const deliveryStateEnum = pgEnum('delivery_state', [
  'pending',
  'sending',
  'accepted',
  'bounced',
  'expired',
  'suppressed',
  'cancelled',
  'ambiguous',
]);

/** Narrow: the only big table that is updated. Ids of one campaign are one range, domains in order. */
export const deliveries = pgTable(
  'deliveries',
  {
    id: int8().primaryKey(),
    campaignId: int8().notNull(),
    recipientId: int8().notNull(),
    state: deliveryStateEnum().notNull(),
    attempts: smallint().notNull().default(0),
    /** Bounce class of the last failure (docs/bounces.md); null after an acceptance. */
    class: text(),
    /** Not before; null: at once. */
    nextAttemptAt: at(),
  },
  // GET deliveries?state=, and `campaign verify` counts with an index-only scan.
  (t) => [index('deliveries_campaign_state').on(t.campaignId, t.state, t.id)],
);

export const batchStateEnum = pgEnum('batch_state', ['ready', 'waiting', 'claimed', 'done']);

/**
 * The queue. A batch owns the deliveries [firstDeliveryId, lastDeliveryId] of one campaign and one
 * destination domain. ready: due now. waiting: due at `dueAt`. claimed: leased by `owner`.
 */
export const batches = pgTable(
  'batches',
  {
    id: identity(),
    campaignId: int8().notNull(),
    domain: text().notNull(),
    firstDeliveryId: int8().notNull(),
    lastDeliveryId: int8().notNull(),
    state: batchStateEnum().notNull().default('ready'),
    dueAt: createdAt(),
    owner: text(),
    leaseUntil: at(),
    /**
     * The write-ahead mark: ids of its deliveries that may be on the wire; those of them that are
     * still pending are in doubt. Empty unless claimed. In no index, so that a mark is a HOT update; the
     * table has a fillfactor of 50 for it (0016_mark_on_batch.sql). Empty, not null: 9 bytes, and the
     * union needs no coalesce.
     */
    marked: int8multirange()
      .notNull()
      .default(sql`'{}'`),
  },
  (t) => [
    // The claim: walks the domains of a campaign that have a batch ready.
    index('batches_ready')
      .on(t.campaignId, t.domain, t.id)
      .where(sql`state = 'ready'`),
    // The timer: waiting batches that fall due.
    index('batches_waiting')
      .on(t.dueAt)
      .where(sql`state = 'waiting'`),
    // The reaper (leases that ran out), heartbeat and drain (by owner).
    index('batches_claimed')
      .on(t.leaseUntil)
      .where(sql`state = 'claimed'`),
    // Deliveries of one domain, whether one of them is marked, DSN attribution, and "is anything left?" at the end of a campaign.
    index('batches_campaign_domain').on(t.campaignId, t.domain, t.firstDeliveryId),
    index('batches_open')
      .on(t.campaignId)
      .where(sql`state <> 'done'`),
  ],
);

// --- what happened ------------------------------------------------------------------------------

/** Append-only facts (src/kernel/events.ts is the vocabulary). SMTP columns are of `delivery.*`. */
export const events = pgTable(
  'events',
  {
    id: identity(),
    at: createdAt(),
    kind: text().notNull(),
    campaignId: int8(),
    deliveryId: int8(),
    /** Of one copy for many: the event is of all deliveries from `deliveryId` to this one. */
    lastDeliveryId: int8(),
    class: text(),
    /** Which classification rule decided. */
    rule: text(),
    attempt: smallint(),
    /** Stage of the SMTP conversation that decided (src/mta/outcome.ts). */
    stage: text(),
    mxHost: text(),
    mxAddress: text(),
    /** What we sent from; null: the system chose. */
    sourceAddress: text(),
    replyCode: smallint(),
    enhancedCode: text(),
    replyText: text(),
    /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or null in clear. */
    tls: text(),
    /** Whether the host's certificate verified, demanded or not; null in clear. */
    tlsVerified: boolean(),
    /** `sts` or `dane`: the domain's policy that the attempt was under; null: none. */
    tlsPolicy: text(),
    durationMs: integer(),
    data: jsonb().$type<Record<string, unknown>>(),
  },
  (t) => [
    index('events_delivery')
      .on(t.deliveryId, t.id)
      .where(sql`delivery_id is not null`),
    // What was said of a delivery among others.
    index('events_span')
      .on(t.lastDeliveryId)
      .where(sql`last_delivery_id is not null`),
    index('events_campaign_kind').on(t.campaignId, t.kind, t.id),
    // What comes back twice counts once: a second report about a delivery adds no second fact.
    uniqueIndex('events_once')
      .on(t.deliveryId, t.kind)
      .where(sql`kind in ('bounce.late', 'feedback.complaint', 'recipient.unsubscribed')`),
  ],
);

/** MTA-STS policies as they were fetched (RFC 8461): they hold until they expire, over restarts too. */
export const stsPolicies = pgTable(
  'sts_policies',
  {
    domain: text().primaryKey(),
    /** The id of the TXT record it was fetched for. */
    policyId: text().notNull(),
    /** enforce | testing | none */
    mode: text().notNull(),
    mx: text().array().notNull(),
    fetchedAt: at().notNull(),
    expiresAt: at().notNull(),
  },
  // Purged when they have expired.
  (t) => [index('sts_policies_expires_at').on(t.expiresAt)],
);

/** The policies that `tls_results` speak of; many domains have the same one (RFC 8460 4.2). */
export const tlsResultPolicies = pgTable(
  'tls_result_policies',
  {
    /** 128 bits of SHA-256 of what follows. */
    id: bytea().primaryKey(),
    /** tlsa | sts | no-policy-found */
    type: text().notNull(),
    strings: text().array().notNull(),
    mxHosts: text().array().notNull(),
    /** The last day with a session under it. */
    lastDay: date().notNull(),
  },
  (t) => [index('tls_result_policies_last_day').on(t.lastDay)],
);

/**
 * How the TLS of sessions went, per UTC day and domain, until the day's report is made. Sessions that
 * were as the policy wants are one row; failed ones a row per problem, host and addresses.
 */
export const tlsResults = pgTable(
  'tls_results',
  {
    /** 128 bits of SHA-256 of what is counted: a key of 16 bytes, whatever the names. */
    id: bytea().primaryKey(),
    day: date().notNull(),
    domain: text().notNull(),
    /** Of `tls_result_policies`. */
    policy: bytea().notNull(),
    /** src/mta/tls/problem.ts; null: none. */
    problem: text(),
    mxHost: text(),
    receivingIp: text(),
    sendingIp: text(),
    /** What was seen first. */
    detail: text(),
    count: int8().notNull(),
  },
  // A report takes the rows of one day and domain; the purge takes whole days.
  (t) => [index('tls_results_day_domain').on(t.day, t.domain)],
);

/** TLS reports (RFC 8460): one per UTC day and domain that has results, until nobody asks for it. */
export const tlsReports = pgTable(
  'tls_reports',
  {
    id: identity(),
    day: date().notNull(),
    domain: text().notNull(),
    /** waiting: to be made. ready: to be sent again. sent: ordered. */
    state: text().notNull(),
    dueAt: at().notNull(),
    attempts: smallint().notNull().default(0),
    successes: int8()
      .notNull()
      .default(sql`0`),
    failures: int8()
      .notNull()
      .default(sql`0`),
    /** JSON, gzipped; null until it is made. */
    body: bytea(),
    madeAt: at(),
    /** For people: why it was not sent to all. */
    note: text(),
  },
  (t) => [
    uniqueIndex('tls_reports_domain_day').on(t.domain, t.day),
    index('tls_reports_due')
      .on(t.dueAt)
      .where(sql`state <> 'sent'`),
    // The list.
    index('tls_reports_made')
      .on(t.id)
      .where(sql`made_at is not null`),
    index('tls_reports_day').on(t.day),
  ],
);

/** Notices that carry a TLS report. Whom they went to, and how, their recipients and deliveries say. */
export const tlsReportMails = pgTable(
  'tls_report_mails',
  { campaignId: int8().primaryKey(), reportId: int8().notNull() },
  (t) => [index('tls_report_mails_report').on(t.reportId)],
);

/** TLS reports to web servers. */
export const tlsReportPosts = pgTable(
  'tls_report_posts',
  {
    id: identity(),
    reportId: int8().notNull(),
    url: text().notNull(),
    /** pending | sent | failed */
    state: text().notNull().default('pending'),
    attempts: smallint().notNull().default(0),
    dueAt: at().notNull(),
    /** What the last try came to; null: nothing was wrong. */
    reason: text(),
  },
  (t) => [
    index('tls_report_posts_report').on(t.reportId),
    index('tls_report_posts_due')
      .on(t.dueAt)
      .where(sql`state = 'pending'`),
  ],
);

/** Reports read this: per campaign, day, domain, kind and class, kept by the writers of events. */
export const dailyRollups = pgTable(
  'daily_rollups',
  {
    campaignId: int8().notNull(),
    day: date().notNull(),
    domain: text().notNull(),
    kind: text().notNull(),
    /** Empty when the kind has no class. */
    class: text().notNull().default(''),
    count: int8().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.campaignId, t.day, t.domain, t.kind, t.class] }),
    index('daily_rollups_day').on(t.day),
    // Reports by domain: the figures of the largest, and the ranking by what went wrong. `count` is
    // in no index: it changes with every commit, and must not touch more than the row (HOT).
    index('daily_rollups_domain').on(t.domain, t.kind, t.day),
    index('daily_rollups_wrong')
      .on(t.day)
      .where(
        sql`kind in ('delivery.bounced', 'bounce.late', 'feedback.complaint', 'suppression.added')`,
      ),
  ],
);

/** Whose mailboxes a domain has: src/kernel/providers/table.ts, and what MX hosts taught. */
export const domainProviders = pgTable(
  'domain_providers',
  {
    domain: text().primaryKey(),
    provider: text().notNull(),
    /** The MX host that taught it; null: of the table in the code. */
    mxHost: text(),
  },
  // A pause of a provider asks which domains it holds.
  (t) => [index('domain_providers_provider').on(t.provider)],
);

/**
 * Reports and alarms read this: per campaign, quarter of an hour, provider, kind and class. Small
 * whatever the list: a campaign of a day makes some thousand rows.
 */
export const providerRollups = pgTable(
  'provider_rollups',
  {
    /** 0: no campaign (a suppression that an operator added). */
    campaignId: int8().notNull(),
    slot: at().notNull(),
    provider: text().notNull(),
    kind: text().notNull(),
    /** Empty when the kind has no class; the reason of a suppression. */
    class: text().notNull().default(''),
    count: int8().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.campaignId, t.slot, t.provider, t.kind, t.class] }),
    // Reports over all campaigns between two times, and the alarms' windows.
    index('provider_rollups_slot').on(t.slot),
  ],
);

/** The balance and the timeline read this: small whatever the list (one row per minute and kind). */
export const minuteRollups = pgTable(
  'minute_rollups',
  {
    campaignId: int8().notNull(),
    minute: at().notNull(),
    kind: text().notNull(),
    count: int8().notNull(),
  },
  (t) => [primaryKey({ columns: [t.campaignId, t.minute, t.kind] })],
);

/** How often each classification rule decided (`volley bounce rules`), by UTC day. */
export const ruleRollups = pgTable(
  'rule_rollups',
  { rule: text().notNull(), day: date().notNull(), count: int8().notNull() },
  (t) => [primaryKey({ columns: [t.rule, t.day] })],
);

/** Files that every message of a notice campaign carries. */
export const noticeAttachments = pgTable(
  'notice_attachments',
  {
    campaignId: int8().notNull(),
    filename: text().notNull(),
    contentType: text().notNull(),
    body: bytea().notNull(),
  },
  (t) => [primaryKey({ columns: [t.campaignId, t.filename] })],
);

/** Days whose report went out: one row a day, whoever is first. */
export const dailyReports = pgTable('daily_reports', {
  /** The UTC day that the report is about. */
  day: date().primaryKey(),
  /** The notice that carries it; null: nobody could get it. */
  campaignId: int8(),
  orderedAt: at().notNull(),
});

// --- alarms -------------------------------------------------------------------------------------

/** What is too much (src/campaigns/alarms). */
export const alarmRules = pgTable('alarm_rules', {
  id: identity(),
  name: text().notNull().unique(),
  /** bounce | deferral | complaint */
  metric: text().notNull(),
  /** null: each sender by itself. */
  senderId: int8(),
  /** null: each provider by itself. */
  provider: text(),
  windowMinutes: integer().notNull(),
  /** Below this many messages in the window a rate says nothing. */
  minVolume: integer().notNull(),
  /** A share: 0.05 is 5 %. */
  threshold: doublePrecision().notNull(),
  /** none | pause_provider | pause_campaign */
  action: text().notNull(),
  createdAt: createdAt(),
});

/** A rule that a sender's mail to a provider broke, from then until it was good again. */
export const alarms = pgTable(
  'alarms',
  {
    id: identity(),
    /** As the rule was. */
    ruleId: int8().notNull(),
    ruleName: text().notNull(),
    metric: text().notNull(),
    threshold: doublePrecision().notNull(),
    senderId: int8().notNull(),
    provider: text().notNull(),
    /** When it was raised: `count` of `volume`. */
    count: int8().notNull(),
    volume: int8().notNull(),
    /** What was done: none | pause_provider | pause_campaign. */
    action: text().notNull(),
    raisedAt: at().notNull(),
    clearedAt: at(),
    /** rate | quiet | resumed | rule_removed */
    clearedBy: text(),
  },
  (t) => [
    uniqueIndex('alarms_live')
      .on(t.ruleId, t.senderId, t.provider)
      .where(sql`cleared_at is null`),
    // The cool-down: when was it cleared the last time?
    index('alarms_cleared').on(t.ruleId, t.senderId, t.provider, t.clearedAt),
  ],
);

/** Nothing is sent for this sender to this provider, until somebody says so. */
export const providerPauses = pgTable(
  'provider_pauses',
  {
    id: identity(),
    senderId: int8().notNull(),
    provider: text().notNull(),
    reason: text().notNull(),
    /** null: a person did it. */
    alarmId: int8(),
    createdAt: createdAt(),
    createdBy: text().notNull(),
    resumedAt: at(),
    resumedBy: text(),
  },
  (t) => [
    // Read every second by the scheduler.
    uniqueIndex('provider_pauses_live')
      .on(t.senderId, t.provider)
      .where(sql`resumed_at is null`),
  ],
);

/** What had been counted in the running slot when a pause ended: alarms begin to count from there. */
export const alarmBaselines = pgTable(
  'alarm_baselines',
  {
    senderId: int8().notNull(),
    provider: text().notNull(),
    kind: text().notNull(),
    slot: at().notNull(),
    count: int8().notNull(),
  },
  (t) => [primaryKey({ columns: [t.senderId, t.provider, t.kind] })],
);

// --- who is told --------------------------------------------------------------------------------

export const webhooks = pgTable('webhooks', {
  id: identity(),
  url: text().notNull(),
  /** Signs what is posted; AES-256-GCM under a key derived from VOLLEY_SECRET. */
  secretSealed: bytea().notNull(),
  events: text().array().notNull(),
  createdAt: createdAt(),
});

/** What is to be posted, and how that went: written in the transaction of the fact. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: identity(),
    webhookId: int8()
      .notNull()
      .references(() => webhooks.id, { onDelete: 'cascade' }),
    event: text().notNull(),
    /** The body, byte for byte the same at every attempt. */
    payload: text().notNull(),
    /** pending | delivered | failed */
    state: text().notNull().default('pending'),
    attempts: smallint().notNull().default(0),
    dueAt: at().notNull(),
    status: smallint(),
    /** What went wrong the last time. */
    reason: text(),
    createdAt: createdAt(),
    finishedAt: at(),
  },
  (t) => [
    index('webhook_deliveries_due')
      .on(t.dueAt)
      .where(sql`state = 'pending'`),
    index('webhook_deliveries_webhook').on(t.webhookId, t.id),
    // The purge.
    index('webhook_deliveries_finished').on(t.finishedAt),
  ],
);

// --- what comes back ----------------------------------------------------------------------------

/** Every message the bounce listener said 250 to, once. */
export const inboundMessages = pgTable(
  'inbound_messages',
  {
    id: identity(),
    receivedAt: createdAt(),
    /** SHA-256 of envelope recipient and message: the same message twice is one row. */
    fingerprint: bytea().notNull().unique(),
    envelopeSender: text().notNull(),
    envelopeRecipient: text().notNull(),
    /** bounce | feedback | autoreply | delivered | none | postmaster | unsubscribe | list */
    kind: text().notNull(),
    campaignId: int8(),
    deliveryId: int8(),
    /** First 64 KiB, as received. */
    raw: bytea().notNull(),
  },
  (t) => [
    index('inbound_messages_delivery').on(t.deliveryId),
    // An erasure reads what a campaign got without a delivery: of a million messages 330 rows instead
    // of 20,000.
    index('inbound_messages_unattributed')
      .on(t.campaignId)
      .where(sql`delivery_id is null`),
    // The purge.
    index('inbound_messages_received_at').on(t.receivedAt),
  ],
);

/**
 * Reports of failure that overtook the acceptance they are about: `bounce.late` is written, and
 * counted by the keeper when the delivery is accepted (never otherwise). Nearly always empty.
 */
export const earlyBounces = pgTable('early_bounces', {
  deliveryId: int8().primaryKey(),
  campaignId: int8().notNull(),
  domain: text().notNull(),
  class: text().notNull(),
  rule: text(),
  createdAt: createdAt(),
});

export const suppressionReasonEnum = pgEnum('suppression_reason', [
  'hard_bounce',
  'soft_bounce_limit',
  'complaint',
  'unsubscribe',
  'manual',
  'invalid',
  'policy',
]);
export const suppressionScopeEnum = pgEnum('suppression_scope', ['global', 'sender', 'stream']);

/** Rows are never deleted: a release sets `releasedAt`, so the history stays. */
export const suppressions = pgTable(
  'suppressions',
  {
    id: identity(),
    /** An address key, as recipients.addressKey. */
    addressKey: text().notNull(),
    scope: suppressionScopeEnum().notNull().default('global'),
    /** Sender domain or stream name; empty for global. */
    scopeValue: text().notNull().default(''),
    reason: suppressionReasonEnum().notNull(),
    /** recipient | operator | import | system */
    origin: text().notNull(),
    /** The bounce class that decided; null when none did. */
    class: text(),
    /** The SMTP reply, DSN text or note that justifies it. */
    evidence: text(),
    campaignId: int8(),
    deliveryId: int8(),
    createdAt: createdAt(),
    /** `key_…` or the command line, for what a person added; else null. */
    createdBy: text(),
    expiresAt: at(),
    releasedAt: at(),
    releasedBy: text(),
  },
  (t) => [
    // Expansion, claim and check look an address up here; one live row per address and scope.
    uniqueIndex('suppressions_live')
      .on(t.addressKey, t.scope, t.scopeValue)
      .where(sql`released_at is null`),
    // The history of an address. What is live is in the index above, and not twice: of ten million
    // entries it would be 650 MB, and a quarter of the time of an import.
    index('suppressions_released')
      .on(t.addressKey)
      .where(sql`released_at is not null`),
    // The watch: inactive mailboxes whose time is over are asked again.
    index('suppressions_inactive')
      .on(t.expiresAt)
      .where(sql`class = 'inactive' and released_at is null`),
  ],
);

/** An import of the list from a file; its rejected rows can be had again. */
export const suppressionImports = pgTable('suppression_imports', {
  id: identity(),
  /** `key_…` or the command line. */
  createdBy: text().notNull(),
  added: integer().notNull(),
  extended: integer().notNull(),
  unchanged: integer().notNull(),
  rejected: integer().notNull(),
  createdAt: createdAt(),
});

export const suppressionImportRejects = pgTable(
  'suppression_import_rejects',
  {
    importId: int8().notNull(),
    /** 1-based; the header is not counted. */
    rowNumber: integer().notNull(),
    /** The address as it came, cut to 320 characters. */
    input: text().notNull(),
    reason: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.importId, t.rowNumber] })],
);

/** Addresses whose owner is to be forgotten, and must not be written to (src/bounce/erasure). */
export const erasures = pgTable(
  'erasures',
  {
    id: identity(),
    /** 128 bits of a keyed hash of the address key, hex. */
    hash: text().notNull(),
    /** Only until everything is erased. */
    addressKey: text(),
    requestedBy: text().notNull(),
    createdAt: createdAt(),
    completedAt: at(),
    /** The owner may be written to again. */
    releasedAt: at(),
    releasedBy: text(),
  },
  (t) => [
    uniqueIndex('erasures_live')
      .on(t.hash)
      .where(sql`released_at is null`),
    index('erasures_open')
      .on(t.id)
      .where(sql`completed_at is null`),
  ],
);

/** Failures that are the recipient's own and pass by themselves: one row per address, kind and day. */
export const softBounces = pgTable(
  'soft_bounces',
  {
    addressKey: text().notNull(),
    /** `soft` or `full`: which limit counts it (src/bounce/policy.ts). */
    kind: text().notNull(),
    /** UTC. */
    day: date().notNull(),
    count: smallint().notNull(),
    /** Of the last one. */
    class: text().notNull(),
    evidence: text(),
    campaignId: int8(),
    /** Not looked at by the watch yet. */
    fresh: boolean().notNull().default(true),
  },
  (t) => [
    primaryKey({ columns: [t.addressKey, t.kind, t.day] }),
    index('soft_bounces_fresh')
      .on(t.addressKey)
      .where(sql`fresh`),
    // The purge of what no window reaches any more.
    index('soft_bounces_day').on(t.day),
  ],
);

export const watchStateEnum = pgEnum('watch_state', ['suspect', 'warned', 'probed']);

/** Addresses that failed too often, on their way to be given up or cleared (src/bounce/watch). */
export const watchedAddresses = pgTable(
  'watched_addresses',
  {
    addressKey: text().primaryKey(),
    state: watchStateEnum().notNull(),
    since: at().notNull(),
    /** When to look at it again. */
    dueAt: at().notNull(),
    /** Whose mail failed: its sender writes the warning. */
    campaignId: int8().notNull(),
    class: text().notNull(),
    evidence: text(),
    /** The warning or probe that we wait for: a recipient of this campaign. */
    noticeCampaignId: int8(),
    noticeAt: at(),
    /** It came back; `dueAt` is the time of the next. */
    bounced: boolean().notNull().default(false),
  },
  (t) => [index('watched_addresses_due').on(t.dueAt)],
);

/** Rules of an operator, tried before the built-in ones (src/bounce/rulebook.ts). */
export const bounceRules = pgTable('bounce_rules', {
  id: text().primaryKey(),
  pattern: text().notNull(),
  class: text().notNull(),
  /** null: as class and codes say. */
  permanent: boolean(),
  evidence: text().notNull(),
  counter: text().notNull(),
  source: text().notNull(),
  createdAt: createdAt(),
});

/** Replies that no rule recognised, those that differ only in names and numbers as one. */
export const unmatchedReplies = pgTable(
  'unmatched_replies',
  {
    /** SHA-256 of what is the same in all of them. */
    fingerprint: bytea().primaryKey(),
    /** The first of them, as it was said. */
    sample: text().notNull(),
    code: smallint(),
    enhanced: text(),
    stage: text(),
    /** What the codes alone made of it. */
    class: text().notNull(),
    /** Destination domain of the last. */
    domain: text().notNull(),
    count: int8().notNull(),
    firstSeen: at().notNull(),
    lastSeen: at().notNull(),
  },
  // Most frequent first; the purge walks the other end.
  (t) => [
    index('unmatched_replies_count').on(t.count),
    index('unmatched_replies_last').on(t.lastSeen),
  ],
);

// --- where mail goes ----------------------------------------------------------------------------

/** Rows are never updated: another route for a pattern is another row, in one transaction. */
export const routes = pgTable('routes', {
  id: identity(),
  /** `shop.example`, `*.shop.example` or `*`. */
  pattern: text().notNull().unique(),
  /** smtp | smarthost | lmtp | qmtp | file | discard (src/mta/transport.ts). */
  transport: text().notNull(),
  host: text(),
  port: integer(),
  /** `lmtp`: a Unix socket. */
  socketPath: text(),
  /** `file`: a Maildir below VOLLEY_MAIL_DIR. */
  folder: text(),
  /** null: as the engine does by default. */
  tls: text(),
  implicitTls: boolean().notNull().default(false),
  /** null: the best one that is offered. */
  loginMechanism: text(),
  loginUser: text(),
  /** Password or token, AES-256-GCM under a key derived from VOLLEY_SECRET. */
  loginSecretSealed: bytea(),
  /** Of `sources`; null: the sender's. */
  pool: text(),
  createdAt: createdAt(),
});

/** Local addresses to send from. Rows are never updated. */
export const sources = pgTable(
  'sources',
  {
    id: identity(),
    pool: text().notNull(),
    /** null: only the SOCKS proxy knows it. */
    address: text(),
    heloName: text(),
    weight: integer().notNull(),
    /** socks5 | proxy_v1 | proxy_v2 */
    proxyType: text(),
    proxyHost: text(),
    proxyPort: integer(),
    proxyUser: text(),
    proxySecretSealed: bytea(),
    createdAt: createdAt(),
  },
  (t) => [
    unique('sources_once').on(t.pool, t.address, t.proxyHost, t.proxyPort).nullsNotDistinct(),
  ],
);

/** Small settled values: the claim of the next delivery id, the encrypted-secret check. */
export const counters = pgTable('counters', {
  name: text().primaryKey(),
  value: int8().notNull(),
});
