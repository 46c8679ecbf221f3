-- Products whose vectors are due, by the function of vectors (outbox.sql there).

-- A new product needs a vector.
CREATE TRIGGER products_vector_inserted AFTER INSERT ON products REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION enqueue_vector_update();

-- A changed product needs a new vector when one of these columns has changed: the text, the features and the filters of
-- a vector are computed from them (catalog.embeddings).
CREATE TRIGGER products_vector_updated AFTER UPDATE ON products REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION enqueue_vector_update(
    'merged_into_id', 'name', 'name_fr', 'brand', 'category', 'strain_type', 'strain', 'terpenes', 'lineage', 'price',
    'weight_grams', 'volume_ml', 'unit_count', 'thc_percentage', 'thc_percentage_low', 'thc_percentage_high',
    'cbd_percentage', 'cbd_percentage_low', 'cbd_percentage_high', 'thc_mg', 'cbd_mg'
  );

-- The vector of a deleted product is to be removed.
CREATE TRIGGER products_vector_deleted AFTER DELETE ON products REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION enqueue_vector_update();
