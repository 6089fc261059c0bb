CREATE TABLE "early_bounces" (
	"delivery_id" bigint PRIMARY KEY NOT NULL,
	"campaign_id" bigint NOT NULL,
	"domain" text NOT NULL,
	"class" text NOT NULL,
	"rule" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
