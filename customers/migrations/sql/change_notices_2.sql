-- More notices on the channel rows_changed (see change_notices.sql). Cached results are compared with notices alone, so
-- every change that could make one wrong has to send one.

-- A rule that hides a product also hides the product that it was merged into.
CREATE TRIGGER notify_products_merged AFTER UPDATE ON products
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('merged_into_id');

-- Results do not reflect interactions that were deleted.
CREATE TRIGGER notify_interactions_deleted AFTER DELETE ON interactions
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('customer_id');

-- Results do not reflect purchases that were deleted.
CREATE TRIGGER notify_purchases_deleted AFTER DELETE ON purchases
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed('customer_id');

-- Every result names the statistics that it was computed with: all cached results are dropped.
CREATE TRIGGER notify_store_repeat_statistics_inserted AFTER INSERT ON store_repeat_statistics
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();

-- Truncated tables name no rows: all cached results are dropped.
CREATE TRIGGER notify_customer_profiles_truncated AFTER TRUNCATE ON customer_profiles
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
CREATE TRIGGER notify_consents_truncated AFTER TRUNCATE ON consents
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
CREATE TRIGGER notify_purchases_truncated AFTER TRUNCATE ON purchases
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
CREATE TRIGGER notify_interactions_truncated AFTER TRUNCATE ON interactions
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
CREATE TRIGGER notify_products_truncated AFTER TRUNCATE ON products
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
CREATE TRIGGER notify_store_stock_truncated AFTER TRUNCATE ON store_stock
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
CREATE TRIGGER notify_stores_truncated AFTER TRUNCATE ON stores
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
CREATE TRIGGER notify_recommendation_rules_truncated AFTER TRUNCATE ON recommendation_rules
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
CREATE TRIGGER notify_recommendation_scenarios_truncated AFTER TRUNCATE ON recommendation_scenarios
  FOR EACH STATEMENT EXECUTE FUNCTION notify_rows_changed();
