-- Notices on the channel rows_changed: which rows have changed, so that processes drop the recommendations in their
-- caches that depend on them. PostgreSQL sends them at commit. The payload is a list of ids separated by commas, or `*`
-- when anything may have changed.

-- Sends the ids of the changed rows. The argument of the trigger is the column with the id; on update both the old and
-- the new value are sent. Without an argument, or for more than 2000 ids, `*` is sent.
CREATE FUNCTION notify_rows_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  source text;
  changed text[];
  page text;
BEGIN
  IF TG_NARGS = 0 THEN
    PERFORM pg_notify('rows_changed', '*');
    RETURN NULL;
  END IF;
  source := CASE TG_OP WHEN 'INSERT' THEN 'new_rows' WHEN 'DELETE' THEN 'old_rows'
    ELSE format('(SELECT %1$I FROM old_rows UNION ALL SELECT %1$I FROM new_rows) AS both_rows', TG_ARGV[0]) END;
  EXECUTE format('SELECT array_agg(DISTINCT %1$I::text) FROM %2$s WHERE %1$I IS NOT NULL', TG_ARGV[0], source) INTO changed;
  IF cardinality(changed) > 2000 THEN
    PERFORM pg_notify('rows_changed', '*');
    RETURN NULL;
  END IF;
  -- 200 ids of 37 characters fit into the 8000 bytes that a message may have.
  FOR page IN
    SELECT string_agg(id, ',') FROM unnest(changed) WITH ORDINALITY AS ids(id, ordinal) GROUP BY (ordinal - 1) / 200
  LOOP
    PERFORM pg_notify('rows_changed', page);
  END LOOP;
  RETURN NULL;
END $$;

-- Sends the effect of a stock update: the product if it has sold out, because every cached result that contains it is
-- outdated; the store if a product was restocked, because every cached result for that store may lack it.
CREATE FUNCTION notify_stock_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  page text;
BEGIN
  FOR page IN
    SELECT string_agg(id, ',') FROM (
      SELECT id, row_number() OVER () AS ordinal FROM (
        SELECT DISTINCT CASE WHEN coalesce(n.quantity, 0) <= 0 THEN o.product_id ELSE n.store_id END::text AS id
        FROM old_rows o FULL JOIN new_rows n ON n.id = o.id AND n.product_id = o.product_id AND n.store_id = o.store_id
        WHERE (coalesce(o.quantity, 0) > 0) <> (coalesce(n.quantity, 0) > 0)
      ) AS changes
    ) AS ids GROUP BY (ordinal - 1) / 200
  LOOP
    PERFORM pg_notify('rows_changed', page);
  END LOOP;
  RETURN NULL;
END $$;

-- Sends the stores for which rows of stock with a quantity were added.
CREATE FUNCTION notify_stock_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('rows_changed', store_id::text) FROM (SELECT DISTINCT store_id FROM new_rows WHERE quantity > 0) AS stocked;
  RETURN NULL;
END $$;

-- Preferences, language, province and proof of age decide what a customer may be shown.
CREATE TRIGGER notify_customer_profiles_updated AFTER UPDATE ON customer_profiles
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('id');

-- Cached results of a deleted customer are dropped.
CREATE TRIGGER notify_customer_profiles_deleted AFTER DELETE ON customer_profiles
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('id');

-- A new consent allows recommendations by history.
CREATE TRIGGER notify_consents_inserted AFTER INSERT ON consents
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('customer_id');

-- A withdrawn consent forbids them. Consents are deleted only together with their customer.
CREATE TRIGGER notify_consents_updated AFTER UPDATE ON consents
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('customer_id');

-- A purchase alters the recommendations of its customer.
CREATE TRIGGER notify_purchases_inserted AFTER INSERT ON purchases
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('customer_id');

-- A purchase that is corrected or assigned to another customer concerns both.
CREATE TRIGGER notify_purchases_updated AFTER UPDATE ON purchases
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('customer_id');

-- A view, like or basket change alters the recommendations of its customer.
CREATE TRIGGER notify_interactions_inserted AFTER INSERT ON interactions
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('customer_id');

-- An interaction that is changed or assigned to another customer concerns both.
CREATE TRIGGER notify_interactions_updated AFTER UPDATE ON interactions
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('customer_id');

-- A changed product is shown with its new name, price and facts, or is no longer eligible.
CREATE TRIGGER notify_products_updated AFTER UPDATE ON products
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('id');

-- A deleted product may not be recommended.
CREATE TRIGGER notify_products_deleted AFTER DELETE ON products
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('id');

-- New stock: see notify_stock_added.
CREATE TRIGGER notify_store_stock_inserted AFTER INSERT ON store_stock
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_stock_added();

-- Changed stock: see notify_stock_changed.
CREATE TRIGGER notify_store_stock_updated AFTER UPDATE ON store_stock
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_stock_changed();

-- A product whose row of stock is deleted is no longer sold in that store.
CREATE TRIGGER notify_store_stock_deleted AFTER DELETE ON store_stock
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('product_id');

-- Stores are few and change rarely; a new one can be in reach of any customer. All cached results are dropped.
CREATE TRIGGER notify_stores_changed AFTER INSERT OR UPDATE OR DELETE ON stores FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();

-- A rule can concern any product: all cached results are dropped.
CREATE TRIGGER notify_recommendation_rules_changed AFTER INSERT OR UPDATE OR DELETE ON recommendation_rules
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();

-- A scenario sets the weights of all results of its kind: all cached results are dropped.
CREATE TRIGGER notify_recommendation_scenarios_changed AFTER INSERT OR UPDATE OR DELETE ON recommendation_scenarios
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
