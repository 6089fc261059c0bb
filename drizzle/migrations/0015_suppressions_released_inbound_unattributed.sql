DROP INDEX "suppressions_address";--> statement-breakpoint
CREATE INDEX "inbound_messages_unattributed" ON "inbound_messages" USING btree ("campaign_id") WHERE delivery_id is null;--> statement-breakpoint
CREATE INDEX "suppressions_released" ON "suppressions" USING btree ("address_key") WHERE released_at is not null;