CREATE TABLE "domain_providers" (
	"domain" text PRIMARY KEY NOT NULL,
	"provider" text NOT NULL,
	"mx_host" text
);
--> statement-breakpoint
CREATE TABLE "provider_rollups" (
	"campaign_id" bigint NOT NULL,
	"slot" timestamp with time zone NOT NULL,
	"provider" text NOT NULL,
	"kind" text NOT NULL,
	"class" text DEFAULT '' NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "provider_rollups_campaign_id_slot_provider_kind_class_pk" PRIMARY KEY("campaign_id","slot","provider","kind","class")
);
--> statement-breakpoint
CREATE INDEX "domain_providers_provider" ON "domain_providers" USING btree ("provider");--> statement-breakpoint
CREATE INDEX "provider_rollups_slot" ON "provider_rollups" USING btree ("slot");--> statement-breakpoint
CREATE INDEX "campaigns_notices" ON "campaigns" USING btree ("id") WHERE purpose = 'notice';--> statement-breakpoint
CREATE INDEX "daily_rollups_domain" ON "daily_rollups" USING btree ("domain","kind","day");--> statement-breakpoint
CREATE INDEX "daily_rollups_wrong" ON "daily_rollups" USING btree ("day") WHERE kind in ('delivery.bounced', 'bounce.late', 'feedback.complaint', 'suppression.added');