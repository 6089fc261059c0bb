CREATE TABLE "alarm_baselines" (
	"sender_id" bigint NOT NULL,
	"provider" text NOT NULL,
	"kind" text NOT NULL,
	"slot" timestamp with time zone NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "alarm_baselines_sender_id_provider_kind_pk" PRIMARY KEY("sender_id","provider","kind")
);
--> statement-breakpoint
CREATE TABLE "alarm_rules" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "alarm_rules_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"name" text NOT NULL,
	"metric" text NOT NULL,
	"sender_id" bigint,
	"provider" text,
	"window_minutes" integer NOT NULL,
	"min_volume" integer NOT NULL,
	"threshold" double precision NOT NULL,
	"action" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "alarm_rules_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "alarms" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "alarms_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"rule_id" bigint NOT NULL,
	"rule_name" text NOT NULL,
	"metric" text NOT NULL,
	"threshold" double precision NOT NULL,
	"sender_id" bigint NOT NULL,
	"provider" text NOT NULL,
	"count" bigint NOT NULL,
	"volume" bigint NOT NULL,
	"action" text NOT NULL,
	"raised_at" timestamp with time zone NOT NULL,
	"cleared_at" timestamp with time zone,
	"cleared_by" text
);
--> statement-breakpoint
CREATE TABLE "daily_reports" (
	"day" date PRIMARY KEY NOT NULL,
	"campaign_id" bigint,
	"ordered_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "notice_attachments" (
	"campaign_id" bigint NOT NULL,
	"filename" text NOT NULL,
	"content_type" text NOT NULL,
	"body" "bytea" NOT NULL,
	CONSTRAINT "notice_attachments_campaign_id_filename_pk" PRIMARY KEY("campaign_id","filename")
);
--> statement-breakpoint
CREATE TABLE "provider_pauses" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "provider_pauses_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"sender_id" bigint NOT NULL,
	"provider" text NOT NULL,
	"reason" text NOT NULL,
	"alarm_id" bigint,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	"resumed_at" timestamp with time zone,
	"resumed_by" text
);
--> statement-breakpoint
CREATE TABLE "webhook_deliveries" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "webhook_deliveries_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"webhook_id" bigint NOT NULL,
	"event" text NOT NULL,
	"payload" text NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"status" smallint,
	"reason" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "webhooks" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "webhooks_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"url" text NOT NULL,
	"secret_sealed" "bytea" NOT NULL,
	"events" text[] NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "pause_reason" text;--> statement-breakpoint
CREATE UNIQUE INDEX "alarms_live" ON "alarms" USING btree ("rule_id","sender_id","provider") WHERE cleared_at is null;--> statement-breakpoint
CREATE INDEX "alarms_cleared" ON "alarms" USING btree ("rule_id","sender_id","provider","cleared_at");--> statement-breakpoint
CREATE UNIQUE INDEX "provider_pauses_live" ON "provider_pauses" USING btree ("sender_id","provider") WHERE resumed_at is null;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_due" ON "webhook_deliveries" USING btree ("due_at") WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX "webhook_deliveries_webhook" ON "webhook_deliveries" USING btree ("webhook_id","id");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_finished" ON "webhook_deliveries" USING btree ("finished_at");--> statement-breakpoint
INSERT INTO "alarm_rules" ("name", "metric", "window_minutes", "min_volume", "threshold", "action") VALUES
	('bounces', 'bounce', 60, 200, 0.1, 'none'),
	('deferrals', 'deferral', 60, 500, 0.5, 'none'),
	('complaints', 'complaint', 1440, 1000, 0.003, 'none');
