-- History of rows: what each statement changed, in the table row_changes.
--
-- A table has a history when the migration of its application gives it three statement triggers: after insert with
-- record_row_inserts, after update with record_row_updates, after delete with record_row_deletes. They need transition tables
-- named new_rows and old_rows, and a column `id` of type uuid. The arguments of a trigger are columns that the history
-- leaves out, for example those that are computed from others.

-- The operation (row of the table operations) that the current transaction belongs to, or NULL. The application names
-- it with SET LOCAL cultivar.operation, so that each change can be traced to who made it and why.
CREATE FUNCTION current_operation() RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT nullif(current_setting('cultivar.operation', true), '')::uuid
$$;

-- Adds one row to row_changes for each inserted row. The values are not stored: the table itself has them.
CREATE FUNCTION record_row_inserts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO row_changes (operation_id, table_name, row_id, action)
  SELECT current_operation(), TG_TABLE_NAME, n.id, 'insert' FROM new_rows n;
  RETURN NULL;
END
$$;

-- Adds one row to row_changes for each row whose values have changed, with the old and the new value of each changed
-- column. A row that was written without a change adds nothing. OFFSET 0 makes PostgreSQL compute each hstore once.
CREATE FUNCTION record_row_updates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO row_changes (operation_id, table_name, row_id, action, before, after)
  SELECT current_operation(), TG_TABLE_NAME, changed.id, 'update',
    changed.before - changed.after, changed.after - changed.before
  FROM (
    SELECT n.id,
      hstore(o) - coalesce(TG_ARGV, ARRAY[]::text[]) AS before,
      hstore(n) - coalesce(TG_ARGV, ARRAY[]::text[]) AS after
    FROM new_rows n JOIN old_rows o USING (id) OFFSET 0
  ) changed
  WHERE changed.before <> changed.after;
  RETURN NULL;
END
$$;

-- Adds one row to row_changes for each deleted row, with all its values, so that it can be restored.
CREATE FUNCTION record_row_deletes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO row_changes (operation_id, table_name, row_id, action, before)
  SELECT current_operation(), TG_TABLE_NAME, o.id, 'delete', hstore(o) - coalesce(TG_ARGV, ARRAY[]::text[]) FROM old_rows o;
  RETURN NULL;
END
$$;
