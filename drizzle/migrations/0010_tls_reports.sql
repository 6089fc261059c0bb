CREATE TABLE "tls_report_mails" (
	"campaign_id" bigint PRIMARY KEY NOT NULL,
	"report_id" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tls_report_posts" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "tls_report_posts_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"report_id" bigint NOT NULL,
	"url" text NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"reason" text
);
--> statement-breakpoint
CREATE TABLE "tls_reports" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "tls_reports_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"day" date NOT NULL,
	"domain" text NOT NULL,
	"state" text NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"successes" bigint DEFAULT 0 NOT NULL,
	"failures" bigint DEFAULT 0 NOT NULL,
	"body" "bytea",
	"made_at" timestamp with time zone,
	"note" text
);
--> statement-breakpoint
CREATE TABLE "tls_result_policies" (
	"id" "bytea" PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"strings" text[] NOT NULL,
	"mx_hosts" text[] NOT NULL,
	"last_day" date NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tls_results" (
	"id" "bytea" PRIMARY KEY NOT NULL,
	"day" date NOT NULL,
	"domain" text NOT NULL,
	"policy" "bytea" NOT NULL,
	"problem" text,
	"mx_host" text,
	"receiving_ip" text,
	"sending_ip" text,
	"detail" text,
	"count" bigint NOT NULL
);
--> statement-breakpoint
CREATE INDEX "tls_report_mails_report" ON "tls_report_mails" USING btree ("report_id");--> statement-breakpoint
CREATE INDEX "tls_report_posts_report" ON "tls_report_posts" USING btree ("report_id");--> statement-breakpoint
CREATE INDEX "tls_report_posts_due" ON "tls_report_posts" USING btree ("due_at") WHERE state = 'pending';--> statement-breakpoint
CREATE UNIQUE INDEX "tls_reports_domain_day" ON "tls_reports" USING btree ("domain","day");--> statement-breakpoint
CREATE INDEX "tls_reports_due" ON "tls_reports" USING btree ("due_at") WHERE state <> 'sent';--> statement-breakpoint
CREATE INDEX "tls_reports_made" ON "tls_reports" USING btree ("id") WHERE made_at is not null;--> statement-breakpoint
CREATE INDEX "tls_reports_day" ON "tls_reports" USING btree ("day");--> statement-breakpoint
CREATE INDEX "tls_result_policies_last_day" ON "tls_result_policies" USING btree ("last_day");--> statement-breakpoint
CREATE INDEX "tls_results_day_domain" ON "tls_results" USING btree ("day","domain");