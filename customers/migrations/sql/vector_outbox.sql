-- Customers whose vectors are due, by the function of vectors (outbox.sql there).

-- A changed profile needs a new vector when one of these columns has changed. A purchase sets is_due, and so its
-- customer is entered once with the purchase and once more when the preferences have been derived from it. There is no
-- trigger for inserts: a new profile has no data yet from which a vector could be computed.
CREATE TRIGGER customer_profiles_vector_updated AFTER UPDATE ON customer_profiles
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION enqueue_vector_update(
    'preferred_thc_range', 'preferred_cbd_range', 'preferred_price_range', 'preferred_strain_types', 'is_due'
  );

-- The vector of a deleted profile is to be removed.
CREATE TRIGGER customer_profiles_vector_deleted AFTER DELETE ON customer_profiles
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION enqueue_vector_update();

-- Adds the customers of changed rows to vector_outbox, each once a statement: for tables that have a column customer_id
-- and influence the customer's vector. On update both the old and the new customer are entered.
CREATE FUNCTION enqueue_customer_vector_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO vector_outbox (table_name, row_id)
      SELECT DISTINCT 'customer_profiles', o.customer_id FROM old_rows o WHERE o.customer_id IS NOT NULL;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO vector_outbox (table_name, row_id)
      SELECT DISTINCT 'customer_profiles', n.customer_id FROM new_rows n WHERE n.customer_id IS NOT NULL;
  END IF;
  RETURN NULL;
END
$$;

-- A new consent may allow a vector.
CREATE TRIGGER consents_vector_inserted AFTER INSERT ON consents
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION enqueue_customer_vector_update();

-- A withdrawn consent requires that the vector is removed.
CREATE TRIGGER consents_vector_updated AFTER UPDATE ON consents
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION enqueue_customer_vector_update();

-- A deleted consent counts like a withdrawn one.
CREATE TRIGGER consents_vector_deleted AFTER DELETE ON consents
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION enqueue_customer_vector_update();

-- A view, like or basket change alters the vector. Deletions have no trigger: interactions
-- are deleted when they are too old to count, or together with their customer.
CREATE TRIGGER interactions_vector_inserted AFTER INSERT ON interactions
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION enqueue_customer_vector_update();

-- An interaction that is changed or assigned to another customer changes the vectors of both.
CREATE TRIGGER interactions_vector_updated AFTER UPDATE ON interactions
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION enqueue_customer_vector_update();
