-- Comments on columns of partitioned tables, which django-postgres-extra does not write when it creates them.
COMMENT ON COLUMN chat_messages.masked_text IS 'what may be searched: without what tells who a person is';
