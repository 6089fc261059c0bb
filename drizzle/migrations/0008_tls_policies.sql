CREATE TABLE "sts_policies" (
	"domain" text PRIMARY KEY NOT NULL,
	"policy_id" text NOT NULL,
	"mode" text NOT NULL,
	"mx" text[] NOT NULL,
	"fetched_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "tls_verified" boolean;--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "tls_policy" text;--> statement-breakpoint
CREATE INDEX "sts_policies_expires_at" ON "sts_policies" USING btree ("expires_at");