-- Notices on the channel rows_changed (see change_notices.sql of customers) of what search results depend on besides
-- products: the word `search` for the vocabulary, weights, listings, numbers of merged products and vectors, and the
-- word `stock` where a product came into stock or out of stock in a store.

-- Sends the argument of the trigger.
CREATE FUNCTION notify_word() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('rows_changed', TG_ARGV[0]);
  RETURN NULL;
END $$;

CREATE TRIGGER notify_search_words_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON search_words
  FOR EACH STATEMENT EXECUTE FUNCTION notify_word('search');

-- Their boosts order all results.
CREATE TRIGGER notify_search_weights_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON search_weights
  FOR EACH STATEMENT EXECUTE FUNCTION notify_word('search');

-- Products are also found by the numbers of their listings, which boosts and the filter in_stock read as well.
CREATE TRIGGER notify_supplier_listings_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON supplier_listings
  FOR EACH STATEMENT EXECUTE FUNCTION notify_word('search');

CREATE TRIGGER notify_product_aliases_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON product_aliases
  FOR EACH STATEMENT EXECUTE FUNCTION notify_word('search');

-- Each batch of vectors raises the version of its index.
CREATE TRIGGER notify_vector_indexes_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON vector_indexes
  FOR EACH STATEMENT EXECUTE FUNCTION notify_word('search');

-- Sends `stock` if any product came into stock or out of stock; a sale that leaves some is no change of results.
CREATE FUNCTION notify_stock_word() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  is_changed boolean;
BEGIN
  CASE TG_OP
    WHEN 'INSERT' THEN is_changed := EXISTS (SELECT FROM new_rows WHERE quantity > 0);
    WHEN 'DELETE' THEN is_changed := EXISTS (SELECT FROM old_rows WHERE quantity > 0);
    WHEN 'TRUNCATE' THEN is_changed := true;
    ELSE is_changed := EXISTS (
      SELECT FROM old_rows o FULL JOIN new_rows n ON n.id = o.id AND n.product_id = o.product_id AND n.store_id = o.store_id
      WHERE (coalesce(o.quantity, 0) > 0) <> (coalesce(n.quantity, 0) > 0));
  END CASE;
  IF is_changed THEN
    PERFORM pg_notify('rows_changed', 'stock');
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER notify_stock_word_inserted AFTER INSERT ON store_stock
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_stock_word();

CREATE TRIGGER notify_stock_word_updated AFTER UPDATE ON store_stock
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_stock_word();

CREATE TRIGGER notify_stock_word_deleted AFTER DELETE ON store_stock
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_stock_word();

CREATE TRIGGER notify_stock_word_truncated AFTER TRUNCATE ON store_stock
  FOR EACH STATEMENT EXECUTE FUNCTION notify_stock_word();
