-- Consents that are given and withdrawn, as events of the outbox, while a webhook is subscribed.
CREATE FUNCTION record_consent_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT is_subscribed('consent') THEN RETURN NULL; END IF;
  INSERT INTO event_outbox (topic, key, type, data)
  SELECT 'customer_changes', n.customer_id::text, 'consent', jsonb_build_object(
    'customer_id', n.customer_id, 'purpose', n.purpose,
    'is_active', n.withdrawn_at IS NULL,
    'given_at', n.given_at, 'withdrawn_at', n.withdrawn_at)
  FROM new_rows n;
  RETURN NULL;
END
$$;
CREATE TRIGGER consents_inserted_event AFTER INSERT ON consents
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_consent_events();
CREATE TRIGGER consents_updated_event AFTER UPDATE ON consents
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_consent_events();
