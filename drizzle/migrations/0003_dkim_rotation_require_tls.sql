CREATE TYPE "public"."dkim_key_state" AS ENUM('pending', 'active', 'retired');--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "require_tls" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "dkim_keys" ADD COLUMN "state" "dkim_key_state" DEFAULT 'active' NOT NULL;--> statement-breakpoint
ALTER TABLE "dkim_keys" ADD COLUMN "retired_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "senders" ADD COLUMN "require_tls" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "dkim_keys" DROP COLUMN "active";