-- What we charge is told to whoever listens: noted with the change itself, published afterwards.
CREATE FUNCTION note_price_set() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO event_outbox (topic, key, type, data)
  SELECT 'price_changes', n.id, 'price', jsonb_build_object('product', n.id, 'price', n.price::text)
  FROM new_rows n JOIN old_rows o ON o.id = n.id
  WHERE n.price IS DISTINCT FROM o.price AND n.merged_into_id IS NULL;
  RETURN NULL;
END $$;

CREATE TRIGGER products_price_set AFTER UPDATE ON products
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_price_set();
