-- Notes rows whose vectors are due, in the transaction that changes them. A table asks for it by three triggers:
-- after insert, after delete, and after update with the columns that vectors are made of as arguments.
CREATE FUNCTION note_vector_due() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before text;
  after text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO vector_outbox (table_name, row_id) SELECT TG_TABLE_NAME, n.id FROM new_rows n;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO vector_outbox (table_name, row_id) SELECT TG_TABLE_NAME, o.id FROM old_rows o;
  ELSE
    SELECT string_agg(format('o.%I', name), ', '), string_agg(format('n.%I', name), ', ')
      INTO before, after FROM unnest(TG_ARGV) AS name;
    EXECUTE format(
      'INSERT INTO vector_outbox (table_name, row_id) SELECT %L, n.id FROM new_rows n JOIN old_rows o USING (id) '
      'WHERE (%s) IS DISTINCT FROM (%s)', TG_TABLE_NAME, before, after
    );
  END IF;
  RETURN NULL;
END
$$;
