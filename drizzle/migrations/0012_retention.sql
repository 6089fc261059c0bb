CREATE INDEX "campaigns_content" ON "campaigns" USING btree ("content_id");--> statement-breakpoint
CREATE INDEX "inbound_messages_received_at" ON "inbound_messages" USING btree ("received_at");--> statement-breakpoint
CREATE INDEX "notices_campaign" ON "notices" USING btree ("campaign_id");