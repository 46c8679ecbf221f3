-- Whether any active webhook is subscribed to a type of event: changes are recorded only then.
CREATE FUNCTION is_subscribed(event_type text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM webhooks w WHERE w.is_active AND event_type = ANY(w.event_types))
$$;

-- A delivery for each subscriber of each new event of the outbox.
CREATE FUNCTION enqueue_webhook_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO webhook_deliveries (webhook_id, event_id, type, data, occurred_at)
  SELECT w.id, n.event_id, n.type, n.data, n.recorded_at
  FROM new_rows n JOIN webhooks w ON w.is_active AND n.type = ANY(w.event_types)
  ORDER BY n.id
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER event_outbox_webhooks AFTER INSERT ON event_outbox
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION enqueue_webhook_deliveries();

-- Deployments of model versions, as events for webhooks.
CREATE FUNCTION record_deployment_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT is_subscribed('model') THEN RETURN NULL; END IF;
  INSERT INTO event_outbox (topic, key, type, data)
  SELECT 'model_changes', n.model, 'model', jsonb_build_object(
    'model', n.model, 'scope', n.scope, 'role', n.role, 'share', n.share,
    'version_id', n.version_id, 'version_number', v.number,
    'started_at', n.started_at, 'ended_at', n.ended_at)
  FROM new_rows n JOIN model_versions v ON v.id = n.version_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER deployments_inserted_event AFTER INSERT ON deployments
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_deployment_events();
CREATE TRIGGER deployments_updated_event AFTER UPDATE ON deployments
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_deployment_events();
