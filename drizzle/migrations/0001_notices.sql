CREATE TABLE "notices" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "notices_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"campaign_id" bigint NOT NULL,
	"kind" text NOT NULL,
	"address_key" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "purpose" text DEFAULT 'campaign' NOT NULL;--> statement-breakpoint
CREATE INDEX "notices_address" ON "notices" USING btree ("address_key","kind","created_at");--> statement-breakpoint
CREATE INDEX "notices_kind" ON "notices" USING btree ("kind","created_at");