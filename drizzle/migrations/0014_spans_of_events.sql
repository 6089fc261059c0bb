ALTER TABLE "events" ADD COLUMN "last_delivery_id" bigint;--> statement-breakpoint
CREATE INDEX "events_span" ON "events" USING btree ("last_delivery_id") WHERE last_delivery_id is not null;