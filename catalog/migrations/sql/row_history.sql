-- History of products and of their locks, by the functions of mlops (row_history.sql there).

-- Records new products.
CREATE TRIGGER products_inserted AFTER INSERT ON products REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_row_inserts();

-- Records changed products. Left out are columns that are computed from others (search_document, match_block) and
-- bookkeeping (updated_at, matched_with), which would fill the history without saying anything.
CREATE TRIGGER products_updated AFTER UPDATE ON products REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_row_updates('search_document', 'updated_at', 'matched_with', 'match_block');

-- Records deleted products with their values, without the search document, which can be computed.
CREATE TRIGGER products_deleted AFTER DELETE ON products REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_row_deletes('search_document');

-- Records new locks, which show who protected which field and when.
CREATE TRIGGER product_locks_inserted AFTER INSERT ON product_locks REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_row_inserts();

-- Records changed locks, for example another reason or date of review.
CREATE TRIGGER product_locks_updated AFTER UPDATE ON product_locks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_row_updates();

-- Records released locks.
CREATE TRIGGER product_locks_deleted AFTER DELETE ON product_locks REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION record_row_deletes();
