-- Changes of products and stock, as events of the outbox; only while a webhook is subscribed, as
-- a sync may change every product. Effects are for staff and are never part of it. Changes of our
-- prices are recorded by price_events.sql.
CREATE FUNCTION record_product_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF is_subscribed('product') THEN
    INSERT INTO event_outbox (topic, key, type, data)
    SELECT 'catalog_changes', n.id::text, 'product', jsonb_build_object(
      'product_id', n.id, 'sku', n.sku, 'gtin', n.gtin,
      'change', CASE WHEN o.merged_into_id IS DISTINCT FROM n.merged_into_id THEN 'merged'
                     ELSE 'updated' END,
      'merged_into', n.merged_into_id, 'updated_at', n.updated_at)
    FROM new_rows n JOIN old_rows o ON o.id = n.id
    WHERE (o.name, o.name_fr, o.brand, o.sku, o.gtin, o.category, o.strain_type, o.strain,
           o.lineage, o.thc_percentage_low, o.thc_percentage_high, o.cbd_percentage_low,
           o.cbd_percentage_high, o.thc_mg, o.cbd_mg, o.mg_basis, o.weight_grams, o.volume_ml,
           o.unit_count, o.price, o.terpenes, o.merged_into_id)
      IS DISTINCT FROM
          (n.name, n.name_fr, n.brand, n.sku, n.gtin, n.category, n.strain_type, n.strain,
           n.lineage, n.thc_percentage_low, n.thc_percentage_high, n.cbd_percentage_low,
           n.cbd_percentage_high, n.thc_mg, n.cbd_mg, n.mg_basis, n.weight_grams, n.volume_ml,
           n.unit_count, n.price, n.terpenes, n.merged_into_id);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER products_updated_event AFTER UPDATE ON products
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_product_events();

CREATE FUNCTION record_new_product_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT is_subscribed('product') THEN RETURN NULL; END IF;
  INSERT INTO event_outbox (topic, key, type, data)
  SELECT 'catalog_changes', n.id::text, 'product', jsonb_build_object(
    'product_id', n.id, 'sku', n.sku, 'gtin', n.gtin, 'change', 'created',
    'merged_into', n.merged_into_id, 'updated_at', n.updated_at)
  FROM new_rows n;
  RETURN NULL;
END
$$;
CREATE TRIGGER products_inserted_event AFTER INSERT ON products
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_new_product_events();

CREATE FUNCTION record_stock_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT is_subscribed('stock') THEN RETURN NULL; END IF;
  IF TG_OP = 'INSERT' THEN
    INSERT INTO event_outbox (topic, key, type, data)
    SELECT 'catalog_changes', n.product_id::text, 'stock', jsonb_build_object(
      'store_code', s.code, 'product_id', n.product_id, 'sku', p.sku, 'quantity', n.quantity,
      'previous_quantity', NULL, 'counted_at', n.counted_at)
    FROM new_rows n JOIN stores s ON s.id = n.store_id JOIN products p ON p.id = n.product_id;
  ELSE
    INSERT INTO event_outbox (topic, key, type, data)
    SELECT 'catalog_changes', n.product_id::text, 'stock', jsonb_build_object(
      'store_code', s.code, 'product_id', n.product_id, 'sku', p.sku, 'quantity', n.quantity,
      'previous_quantity', o.quantity, 'counted_at', n.counted_at)
    FROM new_rows n JOIN old_rows o ON o.id = n.id
    JOIN stores s ON s.id = n.store_id JOIN products p ON p.id = n.product_id
    WHERE o.quantity <> n.quantity;
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER store_stock_inserted_event AFTER INSERT ON store_stock
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_stock_events();
CREATE TRIGGER store_stock_updated_event AFTER UPDATE ON store_stock
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_stock_events();
