-- Notes by which transaction a product came in where there was none, whoever writes it; a new row has it by default.
CREATE FUNCTION note_came_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.came_in := pg_current_xact_id()::text::bigint;
  RETURN NEW;
END $$;

CREATE TRIGGER store_stock_came_in BEFORE UPDATE ON store_stock FOR EACH ROW
  WHEN (NEW.quantity > 0 AND (OLD.quantity <= 0 OR (OLD.store_id, OLD.product_id) <> (NEW.store_id, NEW.product_id)))
  EXECUTE FUNCTION note_came_in();
