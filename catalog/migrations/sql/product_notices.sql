-- Notices on the channel rows_changed (see change_notices.sql of customers) that some product was added, changed or
-- deleted: the word `products`, on which cached lists of products depend. Single products are announced by id there.

CREATE FUNCTION notify_products_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('rows_changed', 'products');
  RETURN NULL;
END $$;

CREATE TRIGGER notify_products_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON products
  FOR EACH STATEMENT EXECUTE FUNCTION notify_products_changed();
