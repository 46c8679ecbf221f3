-- Outbox of vectors: which rows need a new vector, or the removal of theirs.

-- Adds rows to vector_outbox in the transaction that changes a table, so that no change is lost when the process that
-- computes vectors is down. A table takes part by three statement triggers with the transition tables new_rows and
-- old_rows: after insert, after delete, and after update. The arguments of the update trigger are the columns that
-- vectors are computed from: an update that leaves them as they are adds nothing.
CREATE FUNCTION enqueue_vector_update() RETURNS trigger LANGUAGE plpgsql AS $$
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
