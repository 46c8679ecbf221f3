-- What is sold out concerns every answer that names it; what has come in, every answer that looks into the store.
CREATE FUNCTION tell_shelves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  page text;
BEGIN
  FOR page IN
    SELECT string_agg(id, ',') FROM (
      SELECT id, row_number() OVER () AS place FROM (
        SELECT DISTINCT CASE WHEN coalesce(n.quantity, 0) <= 0 THEN o.product_id ELSE n.store_id END::text AS id
        FROM old_rows o FULL JOIN new_rows n ON n.id = o.id AND n.product_id = o.product_id AND n.store_id = o.store_id
        WHERE (coalesce(o.quantity, 0) > 0) <> (coalesce(n.quantity, 0) > 0)
      ) AS turned
    ) AS told GROUP BY (place - 1) / 200
  LOOP
    PERFORM pg_notify('rows_changed', page);
  END LOOP;
  RETURN NULL;
END $$;

CREATE FUNCTION tell_new_on_shelves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('rows_changed', store_id::text) FROM (SELECT DISTINCT store_id FROM new_rows WHERE quantity > 0) AS came;
  RETURN NULL;
END $$;

DROP TRIGGER store_stock_told_updated ON store_stock;
CREATE TRIGGER store_stock_told_updated AFTER UPDATE ON store_stock
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_shelves();
CREATE TRIGGER store_stock_told_inserted AFTER INSERT ON store_stock
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_new_on_shelves();

-- A new store is one more that is in reach.
DROP TRIGGER stores_told ON stores;
CREATE TRIGGER stores_told AFTER INSERT OR UPDATE OR DELETE ON stores FOR EACH STATEMENT EXECUTE FUNCTION tell_changed();
