-- The product that stands for each product: itself, or the product that it was merged into. One step is enough, because
-- a merge points earlier merges to its survivor as well, and a merged product cannot be merged again. The view is simple
-- enough for the planner to inline it: a query that reads effective_id alone reads one row of products by its key.
-- category and strain_type are those of the effective product.
CREATE VIEW effective_products AS
SELECT p.id AS product_id, coalesce(p.merged_into_id, p.id) AS effective_id,
  CASE WHEN s.id IS NULL THEN p.category ELSE s.category END AS category,
  CASE WHEN s.id IS NULL THEN p.strain_type ELSE s.strain_type END AS strain_type
FROM products p LEFT JOIN products s ON s.id = p.merged_into_id;

COMMENT ON VIEW effective_products IS 'The product that stands for each product after merges';
COMMENT ON COLUMN effective_products.product_id IS 'product, merged or not';
COMMENT ON COLUMN effective_products.effective_id IS 'the product itself, or the product that it was merged into';
COMMENT ON COLUMN effective_products.category IS 'category of the effective product';
COMMENT ON COLUMN effective_products.strain_type IS 'strain type of the effective product';
