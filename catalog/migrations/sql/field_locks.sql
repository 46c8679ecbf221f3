-- Locks on fields of products: a value that a person has corrected is not overwritten by data of a supplier.

-- Restores the old values of the locked fields (table product_locks) in each row that is about to be updated. It is
-- done here, so that bulk updates and SQL outside the application are covered as well. A transaction in which a person
-- corrects the product itself sets cultivar.correcting to 'on' and may change locked fields.
CREATE FUNCTION keep_locked_fields() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  locked text[];
BEGIN
  IF current_setting('cultivar.correcting', true) = 'on' THEN
    RETURN NEW;
  END IF;
  SELECT array_agg(field) INTO locked FROM product_locks WHERE product_id = OLD.id;
  IF locked IS NOT NULL THEN
    NEW := NEW #= slice(hstore(OLD), locked);
  END IF;
  RETURN NEW;
END
$$;

-- Applies the locks to every update of a product.
CREATE TRIGGER products_keep_locked BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION keep_locked_fields();
