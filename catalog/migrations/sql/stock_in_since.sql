-- Notes when a product comes in where there was none, whoever writes it.
CREATE FUNCTION note_in_since() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.in_since := now();
  RETURN NEW;
END $$;

CREATE TRIGGER store_stock_in_since BEFORE UPDATE ON store_stock
  FOR EACH ROW WHEN (OLD.quantity <= 0 AND NEW.quantity > 0) EXECUTE FUNCTION note_in_since();
