CREATE TABLE "routes" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "routes_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"pattern" text NOT NULL,
	"transport" text NOT NULL,
	"host" text,
	"port" integer,
	"socket_path" text,
	"folder" text,
	"tls" text,
	"implicit_tls" boolean DEFAULT false NOT NULL,
	"login_mechanism" text,
	"login_user" text,
	"login_secret_sealed" "bytea",
	"pool" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "routes_pattern_unique" UNIQUE("pattern")
);
--> statement-breakpoint
CREATE TABLE "sources" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "sources_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"pool" text NOT NULL,
	"address" text,
	"helo_name" text,
	"weight" integer NOT NULL,
	"proxy_type" text,
	"proxy_host" text,
	"proxy_port" integer,
	"proxy_user" text,
	"proxy_secret_sealed" "bytea",
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "sources_once" UNIQUE NULLS NOT DISTINCT("pool","address","proxy_host","proxy_port")
);
--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "source_address" text;--> statement-breakpoint
ALTER TABLE "senders" ADD COLUMN "pool" text;