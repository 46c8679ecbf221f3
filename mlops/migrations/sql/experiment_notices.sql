-- Notices on the channel rows_changed when an experiment starts, stops or is deleted: cached answers of its scope and
-- the assignment in every process depend on it. Starts and stops are rare, so that all caches may be dropped.
CREATE FUNCTION notify_experiments_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('rows_changed', '*');
  RETURN NULL;
END $$;

CREATE TRIGGER experiments_updated AFTER UPDATE ON experiments
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.ends_at IS DISTINCT FROM NEW.ends_at)
  EXECUTE FUNCTION notify_experiments_changed();
CREATE TRIGGER experiments_inserted AFTER INSERT ON experiments
  FOR EACH ROW WHEN (NEW.status <> 'draft') EXECUTE FUNCTION notify_experiments_changed();
CREATE TRIGGER experiments_deleted AFTER DELETE ON experiments
  FOR EACH ROW WHEN (OLD.status = 'running') EXECUTE FUNCTION notify_experiments_changed();
CREATE TRIGGER experiments_truncated AFTER TRUNCATE ON experiments
  FOR EACH STATEMENT EXECUTE FUNCTION notify_experiments_changed();
