-- Notices on the channel rows_changed (see change_notices.sql of customers): the competitors' prices of which products
-- have changed, as `prices.` and the product's id, so that processes drop them from their caches.

-- Sends the products of new and changed observations.
CREATE FUNCTION notify_prices_observed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  page text;
  observed text := CASE TG_OP WHEN 'INSERT' THEN 'new_rows' WHEN 'DELETE' THEN 'old_rows'
    ELSE '(SELECT product_id FROM old_rows UNION ALL SELECT product_id FROM new_rows) AS both_rows' END;
BEGIN
  -- 150 ids of 44 characters fit into the 8000 bytes that a message may have.
  FOR page IN EXECUTE format(
    'SELECT string_agg(''prices.'' || product_id, '','') FROM (
       SELECT product_id, row_number() OVER () AS ordinal
       FROM (SELECT DISTINCT product_id FROM %s WHERE product_id IS NOT NULL) AS products
     ) AS numbered GROUP BY (ordinal - 1) / 150', observed)
  LOOP
    PERFORM pg_notify('rows_changed', page);
  END LOOP;
  RETURN NULL;
END $$;

CREATE TRIGGER notify_price_history_inserted AFTER INSERT ON price_history
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_prices_observed();

CREATE TRIGGER notify_price_history_updated AFTER UPDATE ON price_history
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_prices_observed();

CREATE TRIGGER notify_price_history_deleted AFTER DELETE ON price_history
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_prices_observed();

-- Sends the products of an offer that is gone, listed again, or matched otherwise: none of these needs an observation.
CREATE FUNCTION notify_offer_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('rows_changed', 'prices.' || product_id)
  FROM unnest(ARRAY[OLD.product_id, NEW.product_id]) AS product_id WHERE product_id IS NOT NULL;
  RETURN NULL;
END $$;

-- For each row: a crawl updates the time at which all offers were last seen, which sends nothing.
CREATE TRIGGER notify_offer_changed AFTER UPDATE ON competitor_offers FOR EACH ROW
  WHEN (OLD.gone_at IS DISTINCT FROM NEW.gone_at OR OLD.product_id IS DISTINCT FROM NEW.product_id
    OR OLD.content_hash IS DISTINCT FROM NEW.content_hash)
  EXECUTE FUNCTION notify_offer_changed();
