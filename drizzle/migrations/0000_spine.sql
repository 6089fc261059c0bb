CREATE TYPE "public"."ambiguity_policy" AS ENUM('hold', 'retry', 'assume_accepted');--> statement-breakpoint
CREATE TYPE "public"."batch_state" AS ENUM('ready', 'waiting', 'claimed', 'done');--> statement-breakpoint
CREATE TYPE "public"."campaign_state" AS ENUM('draft', 'expanding', 'sending', 'paused', 'cancelling', 'completed', 'cancelled');--> statement-breakpoint
CREATE TYPE "public"."delivery_mode" AS ENUM('auto', 'single_copy', 'parallel');--> statement-breakpoint
CREATE TYPE "public"."delivery_state" AS ENUM('pending', 'sending', 'accepted', 'bounced', 'expired', 'suppressed', 'cancelled', 'ambiguous');--> statement-breakpoint
CREATE TYPE "public"."stream" AS ENUM('transactional', 'statement', 'marketing');--> statement-breakpoint
CREATE TYPE "public"."suppression_reason" AS ENUM('hard_bounce', 'soft_bounce_limit', 'complaint', 'unsubscribe', 'manual', 'invalid', 'policy');--> statement-breakpoint
CREATE TYPE "public"."suppression_scope" AS ENUM('global', 'sender', 'stream');--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "api_keys_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"name" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"hint" text NOT NULL,
	"scopes" text[] NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"revoked_at" timestamp with time zone,
	CONSTRAINT "api_keys_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "batches" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "batches_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"campaign_id" bigint NOT NULL,
	"domain" text NOT NULL,
	"first_delivery_id" bigint NOT NULL,
	"last_delivery_id" bigint NOT NULL,
	"state" "batch_state" DEFAULT 'ready' NOT NULL,
	"due_at" timestamp with time zone DEFAULT now() NOT NULL,
	"owner" text,
	"lease_until" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "campaigns" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "campaigns_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"name" text NOT NULL,
	"sender_id" bigint NOT NULL,
	"content_id" bigint NOT NULL,
	"stream" "stream" NOT NULL,
	"mode" "delivery_mode" NOT NULL,
	"ttl_seconds" integer NOT NULL,
	"ambiguity_policy" "ambiguity_policy" NOT NULL,
	"state" "campaign_state" DEFAULT 'draft' NOT NULL,
	"recipient_count" bigint DEFAULT 0 NOT NULL,
	"first_delivery_id" bigint,
	"expanded_count" bigint DEFAULT 0 NOT NULL,
	"expanded_domain" text,
	"expanded_recipient_id" bigint,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"expires_at" timestamp with time zone,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "contents" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "contents_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"subject" text NOT NULL,
	"format" text NOT NULL,
	"source" text NOT NULL,
	"html" text NOT NULL,
	"text" text NOT NULL,
	"variables" text[] NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "counters" (
	"name" text PRIMARY KEY NOT NULL,
	"value" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "daily_rollups" (
	"campaign_id" bigint NOT NULL,
	"day" date NOT NULL,
	"domain" text NOT NULL,
	"kind" text NOT NULL,
	"class" text DEFAULT '' NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "daily_rollups_campaign_id_day_domain_kind_class_pk" PRIMARY KEY("campaign_id","day","domain","kind","class")
);
--> statement-breakpoint
CREATE TABLE "deliveries" (
	"id" bigint PRIMARY KEY NOT NULL,
	"campaign_id" bigint NOT NULL,
	"recipient_id" bigint NOT NULL,
	"state" "delivery_state" NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"class" text,
	"next_attempt_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "dkim_keys" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "dkim_keys_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"sender_id" bigint NOT NULL,
	"selector" text NOT NULL,
	"algorithm" text NOT NULL,
	"private_key_sealed" "bytea" NOT NULL,
	"public_key" text NOT NULL,
	"active" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "events" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"kind" text NOT NULL,
	"campaign_id" bigint,
	"delivery_id" bigint,
	"class" text,
	"rule" text,
	"attempt" smallint,
	"stage" text,
	"mx_host" text,
	"mx_address" text,
	"reply_code" smallint,
	"enhanced_code" text,
	"reply_text" text,
	"tls" text,
	"duration_ms" integer,
	"data" jsonb
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"api_key_id" bigint NOT NULL,
	"route" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" "bytea",
	"status" smallint,
	"body" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_api_key_id_route_key_pk" PRIMARY KEY("api_key_id","route","key")
);
--> statement-breakpoint
CREATE TABLE "inbound_messages" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "inbound_messages_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"received_at" timestamp with time zone DEFAULT now() NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	"envelope_sender" text NOT NULL,
	"envelope_recipient" text NOT NULL,
	"kind" text NOT NULL,
	"campaign_id" bigint,
	"delivery_id" bigint,
	"raw" "bytea" NOT NULL,
	CONSTRAINT "inbound_messages_fingerprint_unique" UNIQUE("fingerprint")
);
--> statement-breakpoint
CREATE TABLE "minute_rollups" (
	"campaign_id" bigint NOT NULL,
	"minute" timestamp with time zone NOT NULL,
	"kind" text NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "minute_rollups_campaign_id_minute_kind_pk" PRIMARY KEY("campaign_id","minute","kind")
);
--> statement-breakpoint
CREATE TABLE "recipients" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "recipients_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"campaign_id" bigint NOT NULL,
	"address" text NOT NULL,
	"address_key" text NOT NULL,
	"domain" text NOT NULL,
	"name" text,
	"variables" jsonb
);
--> statement-breakpoint
CREATE TABLE "senders" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "senders_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"from_address" text NOT NULL,
	"display_name" text NOT NULL,
	"domain" text NOT NULL,
	"bounce_domain" text NOT NULL,
	"unsubscribe_base_url" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "suppressions" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "suppressions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"address_key" text NOT NULL,
	"scope" "suppression_scope" DEFAULT 'global' NOT NULL,
	"scope_value" text DEFAULT '' NOT NULL,
	"reason" "suppression_reason" NOT NULL,
	"origin" text NOT NULL,
	"evidence" text,
	"campaign_id" bigint,
	"delivery_id" bigint,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"released_at" timestamp with time zone,
	"released_by" text
);
--> statement-breakpoint
CREATE TABLE "templates" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "templates_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"name" text NOT NULL,
	"content_id" bigint NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "upload_rejects" (
	"upload_id" bigint NOT NULL,
	"row_number" integer NOT NULL,
	"input" text NOT NULL,
	"code" text NOT NULL,
	"reason" text NOT NULL,
	CONSTRAINT "upload_rejects_upload_id_row_number_pk" PRIMARY KEY("upload_id","row_number")
);
--> statement-breakpoint
CREATE TABLE "uploads" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "uploads_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"campaign_id" bigint NOT NULL,
	"accepted" integer NOT NULL,
	"duplicate" integer NOT NULL,
	"invalid" integer NOT NULL,
	"suppressed" integer NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "campaigns" ADD CONSTRAINT "campaigns_sender_id_senders_id_fk" FOREIGN KEY ("sender_id") REFERENCES "public"."senders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "campaigns" ADD CONSTRAINT "campaigns_content_id_contents_id_fk" FOREIGN KEY ("content_id") REFERENCES "public"."contents"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "dkim_keys" ADD CONSTRAINT "dkim_keys_sender_id_senders_id_fk" FOREIGN KEY ("sender_id") REFERENCES "public"."senders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "templates" ADD CONSTRAINT "templates_content_id_contents_id_fk" FOREIGN KEY ("content_id") REFERENCES "public"."contents"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "batches_ready" ON "batches" USING btree ("campaign_id","domain","id") WHERE state = 'ready';--> statement-breakpoint
CREATE INDEX "batches_waiting" ON "batches" USING btree ("due_at") WHERE state = 'waiting';--> statement-breakpoint
CREATE INDEX "batches_claimed" ON "batches" USING btree ("lease_until") WHERE state = 'claimed';--> statement-breakpoint
CREATE INDEX "batches_campaign_domain" ON "batches" USING btree ("campaign_id","domain","first_delivery_id");--> statement-breakpoint
CREATE INDEX "batches_open" ON "batches" USING btree ("campaign_id") WHERE state <> 'done';--> statement-breakpoint
CREATE INDEX "campaigns_in_work" ON "campaigns" USING btree ("id") WHERE state in ('expanding', 'sending', 'paused', 'cancelling');--> statement-breakpoint
CREATE INDEX "daily_rollups_day" ON "daily_rollups" USING btree ("day");--> statement-breakpoint
CREATE INDEX "deliveries_campaign_state" ON "deliveries" USING btree ("campaign_id","state","id");--> statement-breakpoint
CREATE UNIQUE INDEX "dkim_keys_sender_selector" ON "dkim_keys" USING btree ("sender_id","selector");--> statement-breakpoint
CREATE INDEX "events_delivery" ON "events" USING btree ("delivery_id","id") WHERE delivery_id is not null;--> statement-breakpoint
CREATE INDEX "events_campaign_kind" ON "events" USING btree ("campaign_id","kind","id");--> statement-breakpoint
CREATE UNIQUE INDEX "events_once" ON "events" USING btree ("delivery_id","kind") WHERE kind in ('bounce.late', 'feedback.complaint', 'recipient.unsubscribed');--> statement-breakpoint
CREATE INDEX "idempotency_keys_created_at" ON "idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "inbound_messages_delivery" ON "inbound_messages" USING btree ("delivery_id");--> statement-breakpoint
CREATE UNIQUE INDEX "recipients_campaign_address" ON "recipients" USING btree ("campaign_id","address_key");--> statement-breakpoint
CREATE INDEX "recipients_campaign_domain" ON "recipients" USING btree ("campaign_id","domain","id");--> statement-breakpoint
CREATE UNIQUE INDEX "suppressions_live" ON "suppressions" USING btree ("address_key","scope","scope_value") WHERE released_at is null;--> statement-breakpoint
CREATE INDEX "suppressions_address" ON "suppressions" USING btree ("address_key","id");--> statement-breakpoint
CREATE INDEX "uploads_campaign" ON "uploads" USING btree ("campaign_id","id");