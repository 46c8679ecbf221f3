-- Restocking: when a product came into a store that had none of it.

-- Writes the id of the current transaction into restocked_at. Readers that keep a snapshot find the rows restocked
-- since, also those of transactions that were committed late. A new row gets the id by the default of the column.
CREATE FUNCTION set_restocked_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.restocked_at := pg_current_xact_id()::text::bigint;
  RETURN NEW;
END $$;

-- Marks a row whose quantity rises from zero, or that becomes the row of another store or product.
CREATE TRIGGER store_stock_restocked_at BEFORE UPDATE ON store_stock FOR EACH ROW
  WHEN (NEW.quantity > 0 AND (OLD.quantity <= 0 OR (OLD.store_id, OLD.product_id) <> (NEW.store_id, NEW.product_id)))
  EXECUTE FUNCTION set_restocked_at();
