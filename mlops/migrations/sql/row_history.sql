-- History of tables whose migration asks for it: one row for each changed row, written once a statement.
-- Arguments of the triggers are columns that are not told. The operation is that of the transaction, if it named one.

CREATE FUNCTION current_operation() RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT nullif(current_setting('cultivar.operation', true), '')::uuid
$$;

CREATE FUNCTION note_row_inserts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO row_changes (operation_id, table_name, row_id, action)
  SELECT current_operation(), TG_TABLE_NAME, n.id, 'insert' FROM new_rows n;
  RETURN NULL;
END
$$;

CREATE FUNCTION note_row_updates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO row_changes (operation_id, table_name, row_id, action, before, after)
  SELECT current_operation(), TG_TABLE_NAME, told.id, 'update', told.o - told.n, told.n - told.o
  FROM (
    SELECT n.id, hstore(o) - coalesce(TG_ARGV, ARRAY[]::text[]) AS o, hstore(n) - coalesce(TG_ARGV, ARRAY[]::text[]) AS n FROM new_rows n JOIN old_rows o USING (id) OFFSET 0
  ) told
  WHERE told.o <> told.n;
  RETURN NULL;
END
$$;

CREATE FUNCTION note_row_deletes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO row_changes (operation_id, table_name, row_id, action, before)
  SELECT current_operation(), TG_TABLE_NAME, o.id, 'delete', hstore(o) - coalesce(TG_ARGV, ARRAY[]::text[]) FROM old_rows o;
  RETURN NULL;
END
$$;
