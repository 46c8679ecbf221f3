-- Events for changes of our own prices.

-- Adds an event to event_outbox for each product whose price has changed, in the same transaction: an event is
-- published only if the change is committed, and none is lost. Products that were merged into another are left
-- out, because the other one is sold.
CREATE FUNCTION enqueue_price_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO event_outbox (topic, key, type, data)
  SELECT 'price_changes', n.id, 'price', jsonb_build_object('product_id', n.id, 'price', n.price::text)
  FROM new_rows n JOIN old_rows o ON o.id = n.id
  WHERE n.price IS DISTINCT FROM o.price AND n.merged_into_id IS NULL;
  RETURN NULL;
END $$;

-- Adds the events after every update of products.
CREATE TRIGGER products_price_changed AFTER UPDATE ON products
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION enqueue_price_events();
