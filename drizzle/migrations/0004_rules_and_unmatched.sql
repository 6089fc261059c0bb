CREATE TABLE "bounce_rules" (
	"id" text PRIMARY KEY NOT NULL,
	"pattern" text NOT NULL,
	"class" text NOT NULL,
	"permanent" boolean,
	"evidence" text NOT NULL,
	"counter" text NOT NULL,
	"source" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rule_rollups" (
	"rule" text NOT NULL,
	"day" date NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "rule_rollups_rule_day_pk" PRIMARY KEY("rule","day")
);
--> statement-breakpoint
CREATE TABLE "unmatched_replies" (
	"fingerprint" "bytea" PRIMARY KEY NOT NULL,
	"sample" text NOT NULL,
	"code" smallint,
	"enhanced" text,
	"stage" text,
	"class" text NOT NULL,
	"domain" text NOT NULL,
	"count" bigint NOT NULL,
	"first_seen" timestamp with time zone NOT NULL,
	"last_seen" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "unmatched_replies_count" ON "unmatched_replies" USING btree ("count");--> statement-breakpoint
CREATE INDEX "unmatched_replies_last" ON "unmatched_replies" USING btree ("last_seen");