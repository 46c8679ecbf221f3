-- Notices on the channel rows_changed: the models whose deployments have changed, as `model.NAME`, so that processes
-- that serve them read which versions serve now.
CREATE FUNCTION notify_deployments_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('rows_changed', 'model.' || coalesce(NEW.model, OLD.model));
  RETURN NULL;
END $$;

CREATE TRIGGER deployments_changed AFTER INSERT OR UPDATE OR DELETE ON deployments
  FOR EACH ROW EXECUTE FUNCTION notify_deployments_changed();
