-- Comments on partitioned tables and their columns: django-postgres-extra does not write them when it
-- creates such a table. The texts are those of the models.
COMMENT ON COLUMN chat_messages.id IS 'primary key';
COMMENT ON COLUMN chat_messages.session_id IS 'conversation';
COMMENT ON COLUMN chat_messages.message_text IS 'text as written';
COMMENT ON COLUMN chat_messages.created_at IS 'when it was written; partition key';
COMMENT ON COLUMN chat_messages.role IS 'who wrote it: customer or assistant';
COMMENT ON COLUMN chat_messages.language IS 'en or fr';
COMMENT ON COLUMN chat_messages.redacted_text IS 'text with personal data masked; the copy that may be searched';
COMMENT ON TABLE chat_messages IS 'Messages of conversations, partitioned by month';
COMMENT ON COLUMN recommendations.id IS 'primary key';
COMMENT ON COLUMN recommendations.created_at IS 'when it was computed; partition key';
COMMENT ON COLUMN recommendations.scenario IS 'scenario';
COMMENT ON COLUMN recommendations.customer_id IS 'customer, with the consent history; NULL: anonymous';
COMMENT ON COLUMN recommendations.session IS 'session of the web shop or kiosk';
COMMENT ON COLUMN recommendations.store_id IS 'store';
COMMENT ON COLUMN recommendations.model_version IS 'version of the ranking';
COMMENT ON COLUMN recommendations.fallback_level IS 'how far the response degraded, 0 to 4';
COMMENT ON COLUMN recommendations.products IS 'product ids in ranked order';
COMMENT ON TABLE recommendations IS 'Log of computed recommendations, partitioned by month';
