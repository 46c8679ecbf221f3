-- Rules of biometrics that the database enforces, and its notices.

-- A salt never outlives its template, whatever deletes the template.
DO $$
DECLARE
  constraint_name text;
BEGIN
  SELECT conname INTO STRICT constraint_name FROM pg_constraint WHERE conrelid = 'biometric_salts'::regclass AND contype = 'f';
  EXECUTE format('ALTER TABLE biometric_salts DROP CONSTRAINT %I', constraint_name);
END $$;
ALTER TABLE biometric_salts ADD CONSTRAINT biometric_salts_template FOREIGN KEY (template_id)
  REFERENCES customer_biometrics (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;

-- Refuses every change of the audit log other than new entries.
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'biometric_audit is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER biometric_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON biometric_audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- Notices on the channel rows_changed: `biometrics` when templates, settings or groups of stores have changed, with the
-- ids of templates that were deleted or re-encrypted, so that processes drop them from memory.
CREATE FUNCTION notify_biometrics_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  page text;
BEGIN
  PERFORM pg_notify('rows_changed', 'biometrics');
  IF TG_TABLE_NAME = 'customer_biometrics' AND TG_OP IN ('UPDATE', 'DELETE') THEN
    -- 200 ids of 37 characters fit into the 8000 bytes that a message may have.
    FOR page IN
      SELECT string_agg(id, ',') FROM (SELECT id::text, row_number() OVER () AS ordinal FROM old_rows) AS ids
      GROUP BY (ordinal - 1) / 200
    LOOP
      PERFORM pg_notify('rows_changed', page);
    END LOOP;
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER notify_templates_inserted AFTER INSERT ON customer_biometrics
  FOR EACH STATEMENT EXECUTE FUNCTION notify_biometrics_changed();
CREATE TRIGGER notify_templates_updated AFTER UPDATE ON customer_biometrics
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_biometrics_changed();
CREATE TRIGGER notify_templates_deleted AFTER DELETE ON customer_biometrics
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_biometrics_changed();
CREATE TRIGGER notify_templates_truncated AFTER TRUNCATE ON customer_biometrics
  FOR EACH STATEMENT EXECUTE FUNCTION notify_biometrics_changed();
CREATE TRIGGER notify_salts_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON biometric_salts
  FOR EACH STATEMENT EXECUTE FUNCTION notify_biometrics_changed();
CREATE TRIGGER notify_biometric_settings_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON biometric_settings
  FOR EACH STATEMENT EXECUTE FUNCTION notify_biometrics_changed();
CREATE TRIGGER notify_store_groups_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON biometric_store_groups
  FOR EACH STATEMENT EXECUTE FUNCTION notify_biometrics_changed();
CREATE TRIGGER notify_store_group_members_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON biometric_store_group_members
  FOR EACH STATEMENT EXECUTE FUNCTION notify_biometrics_changed();

-- A withdrawal is announced even while a legal hold retains the template.
CREATE FUNCTION notify_face_consents_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM new_rows WHERE purpose IN ('face_verification', 'face_identification')) THEN
    PERFORM pg_notify('rows_changed', 'biometrics');
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER notify_face_consents_updated AFTER UPDATE ON consents
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_face_consents_changed();
