CREATE TYPE "public"."watch_state" AS ENUM('suspect', 'warned', 'probed');--> statement-breakpoint
CREATE TABLE "soft_bounces" (
	"address_key" text NOT NULL,
	"kind" text NOT NULL,
	"day" date NOT NULL,
	"count" smallint NOT NULL,
	"class" text NOT NULL,
	"evidence" text,
	"campaign_id" bigint,
	"fresh" boolean DEFAULT true NOT NULL,
	CONSTRAINT "soft_bounces_address_key_kind_day_pk" PRIMARY KEY("address_key","kind","day")
);
--> statement-breakpoint
CREATE TABLE "watched_addresses" (
	"address_key" text PRIMARY KEY NOT NULL,
	"state" "watch_state" NOT NULL,
	"since" timestamp with time zone NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"campaign_id" bigint NOT NULL,
	"class" text NOT NULL,
	"evidence" text,
	"notice_campaign_id" bigint,
	"notice_at" timestamp with time zone,
	"bounced" boolean DEFAULT false NOT NULL
);
--> statement-breakpoint
ALTER TABLE "suppressions" ADD COLUMN "class" text;--> statement-breakpoint
ALTER TABLE "suppressions" ADD COLUMN "created_by" text;--> statement-breakpoint
CREATE INDEX "soft_bounces_fresh" ON "soft_bounces" USING btree ("address_key") WHERE fresh;--> statement-breakpoint
CREATE INDEX "soft_bounces_day" ON "soft_bounces" USING btree ("day");--> statement-breakpoint
CREATE INDEX "watched_addresses_due" ON "watched_addresses" USING btree ("due_at");--> statement-breakpoint
CREATE INDEX "suppressions_inactive" ON "suppressions" USING btree ("expires_at") WHERE class = 'inactive' and released_at is null;