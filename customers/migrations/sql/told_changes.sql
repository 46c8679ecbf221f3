-- Tells whoever listens which rows have changed, when the change is committed: ids, comma separated, or `*` for anything.
-- A table asks for it by triggers that name the column of the id; without one its changes concern everything.
CREATE FUNCTION tell_changed() RETURNS trigger LANGUAGE plpgsql AS $$
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
    SELECT string_agg(id, ',') FROM unnest(changed) WITH ORDINALITY AS told(id, place) GROUP BY (place - 1) / 200
  LOOP
    PERFORM pg_notify('rows_changed', page);
  END LOOP;
  RETURN NULL;
END $$;

-- What is sold out concerns every answer that names it; what comes in again can wait until answers are made anew.
CREATE FUNCTION tell_sold_out() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  page text;
BEGIN
  FOR page IN
    SELECT string_agg(id, ',') FROM (
      SELECT o.product_id::text AS id, row_number() OVER () AS place
      FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id AND n.product_id = o.product_id AND n.store_id = o.store_id
      WHERE o.quantity > 0 AND coalesce(n.quantity, 0) <= 0
    ) AS told GROUP BY (place - 1) / 200
  LOOP
    PERFORM pg_notify('rows_changed', page);
  END LOOP;
  RETURN NULL;
END $$;

CREATE TRIGGER customer_profiles_told_updated AFTER UPDATE ON customer_profiles
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('id');
CREATE TRIGGER customer_profiles_told_deleted AFTER DELETE ON customer_profiles
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('id');

CREATE TRIGGER consents_told_inserted AFTER INSERT ON consents
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('customer_id');
CREATE TRIGGER consents_told_updated AFTER UPDATE ON consents
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('customer_id');

CREATE TRIGGER purchases_told_inserted AFTER INSERT ON purchases
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('customer_id');
CREATE TRIGGER purchases_told_updated AFTER UPDATE ON purchases
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('customer_id');
CREATE TRIGGER interactions_told_inserted AFTER INSERT ON interactions
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('customer_id');
CREATE TRIGGER interactions_told_updated AFTER UPDATE ON interactions
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('customer_id');

CREATE TRIGGER products_told_updated AFTER UPDATE ON products
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('id');
CREATE TRIGGER products_told_deleted AFTER DELETE ON products
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('id');

CREATE TRIGGER store_stock_told_updated AFTER UPDATE ON store_stock
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_sold_out();
CREATE TRIGGER store_stock_told_deleted AFTER DELETE ON store_stock
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_changed('product_id');

CREATE TRIGGER stores_told AFTER UPDATE OR DELETE ON stores FOR EACH STATEMENT EXECUTE FUNCTION tell_changed();
CREATE TRIGGER recommendation_rules_told AFTER INSERT OR UPDATE OR DELETE ON recommendation_rules
  FOR EACH STATEMENT EXECUTE FUNCTION tell_changed();
CREATE TRIGGER recommendation_scenarios_told AFTER INSERT OR UPDATE OR DELETE ON recommendation_scenarios
  FOR EACH STATEMENT EXECUTE FUNCTION tell_changed();
