-- Comments on columns of partitioned tables, which django-postgres-extra does not write when it creates them.
COMMENT ON COLUMN chat_messages.redacted_text IS 'text with personal data masked; the copy that may be searched';
