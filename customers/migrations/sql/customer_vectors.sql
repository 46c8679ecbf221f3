-- Notes customers whose vectors are due, in the transaction that changes what they are made of. A new profile has nothing
-- to be made of yet; a purchase is noted as it makes the profile due, and once more when preferences are derived of it.
CREATE TRIGGER customer_profiles_vector_updated AFTER UPDATE ON customer_profiles
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_vector_due(
    'preferred_thc_range', 'preferred_cbd_range', 'preferred_price_range', 'preferred_strain_types', 'is_due'
  );
CREATE TRIGGER customer_profiles_vector_deleted AFTER DELETE ON customer_profiles
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_vector_due();

-- Rows of other tables concern the customer they are of.
CREATE FUNCTION note_customer_vector_due() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER consents_vector_inserted AFTER INSERT ON consents
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_customer_vector_due();
CREATE TRIGGER consents_vector_updated AFTER UPDATE ON consents
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_customer_vector_due();
CREATE TRIGGER consents_vector_deleted AFTER DELETE ON consents
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_customer_vector_due();

-- What is deleted of these is too old to count, or goes with its customer.
CREATE TRIGGER interactions_vector_inserted AFTER INSERT ON interactions
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_customer_vector_due();
CREATE TRIGGER interactions_vector_updated AFTER UPDATE ON interactions
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_customer_vector_due();
