-- A locked field of a product keeps its value, whoever writes, unless the transaction says that a person corrects it.
CREATE FUNCTION keep_locked_fields() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  locked text[];
BEGIN
  IF current_setting('cultivar.correcting', true) = 'on' THEN
    RETURN NEW;
  END IF;
  SELECT array_agg(field) INTO locked FROM product_locks WHERE product_id = OLD.id;
  IF locked IS NOT NULL THEN
    NEW := NEW #= slice(hstore(OLD), locked);
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER products_keep_locked BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION keep_locked_fields();

CREATE TRIGGER products_inserted AFTER INSERT ON products REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION note_row_inserts();
CREATE TRIGGER products_updated AFTER UPDATE ON products REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION note_row_updates('search_document', 'updated_at', 'matched_with', 'match_block');
CREATE TRIGGER products_deleted AFTER DELETE ON products REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION note_row_deletes('search_document');

CREATE TRIGGER product_locks_inserted AFTER INSERT ON product_locks REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION note_row_inserts();
CREATE TRIGGER product_locks_updated AFTER UPDATE ON product_locks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION note_row_updates();
CREATE TRIGGER product_locks_deleted AFTER DELETE ON product_locks REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION note_row_deletes();
