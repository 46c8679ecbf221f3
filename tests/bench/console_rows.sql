-- Rows of a large catalogue for `bin/bench console`; %(products)s products, %(prices)s observations.
-- Statements are separated by lines that begin with two dashes and "next".
-- next
SET session_replication_role = replica
-- next
INSERT INTO auth_user (username, password, is_superuser, is_staff, is_active, first_name, last_name,
  email, date_joined)
SELECT 'staff-' || n, '', false, true, true, '', '', '', now() FROM generate_series(1, 20) n
-- next
INSERT INTO stores (code, name, province)
SELECT 'store-' || n, 'Store ' || n, (ARRAY['ON', 'QC', 'AB'])[1 + n %% 3]
FROM generate_series(1, 40) n
-- next
INSERT INTO products (merge_key, name, name_fr, brand, sku, gtin, category, strain_type,
  thc_percentage, thc_percentage_low, thc_percentage_high, weight_grams, unit_count, price, source,
  created_at, updated_at, search_document)
SELECT 'bench:' || n, v.name, v.name || ' fleurs', v.brand, 'SKU-' || n,
  lpad((10000000000 + n)::text, 14, '0'),
  (ARRAY['dried_flower', 'vapes', 'edibles', 'pre_rolls', 'oils'])[1 + n %% 5],
  (ARRAY['indica', 'sativa', 'hybrid', NULL])[1 + n %% 4], 10 + n %% 20, 10 + n %% 20, 10 + n %% 20,
  3.5, 1 + n %% 5, 10 + n %% 90, (ARRAY['ocs', 'ocs-wholesale', 'aglc', 'sqdc'])[1 + n %% 4],
  now() - n * interval '20 seconds', now() - n * interval '10 seconds',
  setweight(to_tsvector('simple', v.name), 'A') || setweight(to_tsvector('simple', v.brand), 'B')
FROM generate_series(1, %(products)s) n, LATERAL (
  SELECT initcap(substr(md5((n %% 997)::text), 1, 6)) || ' '
    || (ARRAY['Kush', 'Haze', 'Diesel', 'Cookies', 'Dream', 'Berry', 'Skunk'])[1 + n %% 7]
    || ' No. ' || n AS name, 'Brand ' || n %% 2000 AS brand
) v
-- next
INSERT INTO runs (pipeline, source, status, error, started_at, finished_at, read, new, changed,
  unchanged, rejected, gone, is_partial, is_accepted, is_surveyed, is_dry_run, checksum_in,
  checksum_out)
SELECT 'products', (ARRAY['ocs', 'ocs-wholesale', 'aglc', 'sqdc'])[1 + n %% 4],
  CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'succeeded' END, '', now() - n * interval '1 hour',
  now() - n * interval '1 hour' + interval '9 minutes', 5000, 10, 200, 4790, 5, 0, false, false,
  true, n %% 20 = 0, md5(n::text), md5(n::text)
FROM generate_series(1, %(products)s / 50) n
-- next
CREATE TEMP TABLE numbered_runs AS
SELECT id, source, row_number() OVER (ORDER BY started_at) AS number FROM runs
-- next
INSERT INTO supplier_listings (source, external_id, language, merge_key, name, raw_name, raw_category,
  brand, sku, gtin, category, strain_type, thc_low, thc_high, thc_unit, weight_grams, price,
  price_kind, in_stock, content_hash, run_id, bundle, gone_at, updated_at)
SELECT p.source, 'item-' || p.sku, 'en', p.merge_key, p.name, upper(p.name), p.category, p.brand,
  p.sku, p.gtin, p.category, p.strain_type, 10, 20, 'percent', 3.5, p.price, 'retail', true,
  md5(p.sku), r.id, 'items', CASE WHEN p.price = 17 THEN now() END, p.updated_at
FROM (SELECT *, row_number() OVER () AS number FROM products) p
JOIN numbered_runs r ON r.number = 1 + p.number %% (%(products)s / 50)
-- next
INSERT INTO competitors (code, name, platform, base_url, options, province, language,
  crawl_every_hours, requests_per_minute, max_pages, status, status_reason, failed_crawls,
  robots_reason)
SELECT 'shop-' || n, 'Shop ' || n, 'shopify', 'http://127.0.0.1:9', '{}', 'ON', 'en', 24, 30, 2000,
  'healthy', '', 0, ''
FROM generate_series(1, 50) n
-- next
INSERT INTO competitor_offers (external_id, competitor_id, product_id, match_status, match_score,
  matched_at, name, brand, category, size, language, gtin, sku, url, thc, cbd, regular_price,
  net_price, promotions, currency, is_tax_included, stock, confidence, content_hash, capture_hash,
  extractor_version, first_seen_at, last_seen_at, missed_crawls, dried_equivalent_grams, gone_at)
SELECT 'item-' || p.number, c.id, CASE WHEN p.number %% 10 > 2 THEN p.id END,
  CASE p.number %% 10 WHEN 0 THEN 'unmatched' WHEN 1 THEN 'proposed' WHEN 2 THEN 'not_sold'
    WHEN 3 THEN 'confirmed' ELSE 'automatic' END, 0.9,
  now(), p.name, p.brand, p.category, '3.5 g', 'en', '', '', '', '', '', p.price + p.number %% 9,
  p.price + p.number %% 9, '[]', 'CAD', false, 'in_stock', 1, '', '', '1', now(), now(), 0, 3.5,
  CASE WHEN p.number %% 40 = 0 THEN now() END
FROM (SELECT *, row_number() OVER (ORDER BY merge_key) AS number FROM products) p
JOIN (SELECT id, row_number() OVER (ORDER BY code) AS number FROM competitors) c
  ON c.number = 1 + p.number / 5 %% 50
-- next
INSERT INTO price_history (product_id, offer_id, competitor, price, regular_price, in_stock, stock,
  scraped_at, currency, is_tax_included, unit_price, confidence)
SELECT o.product_id, o.id, c.code, o.regular_price + day %% 5, o.regular_price + day %% 5,
  day %% 9 > 0, 'in_stock', now() - day * interval '1 day', 'CAD', false,
  (o.net_price + day %% 5) / 3.5, 1
FROM generate_series(0, %(prices)s / %(products)s - 1) day
CROSS JOIN competitor_offers o JOIN competitors c ON c.id = o.competitor_id
-- next
INSERT INTO offer_matches (offer_id, product_id, score, reasons, algorithm, verdict, decided_at,
  decided_by_id, history, created_at)
SELECT o.id, p.id, 0.5 + random() / 2, '[]', 'bench', CASE WHEN o.match_status = 'proposed' THEN
  'open' ELSE 'same' END, NULL, NULL, '[]', now()
FROM competitor_offers o JOIN products p ON p.merge_key = 'bench:' || substr(o.external_id, 6)
WHERE o.match_status IN ('proposed', 'confirmed')
-- next
INSERT INTO product_locks (product_id, field, locked_by_id, locked_at, reason, review_by,
  source_values)
SELECT id, (ARRAY['name', 'price', 'category'])[1 + price::int %% 3],
  (SELECT min(id) FROM auth_user), updated_at, 'label', current_date + 30, '{}'
FROM products WHERE right(sku, 2) = '37'
-- next
INSERT INTO review_items (product_id, field, source, previous_source_value, current_source_value,
  opened_at, closed_at, closed_by_id, outcome)
SELECT product_id, field, 'ocs', '"10"', '"12"', locked_at,
  CASE WHEN n %% 3 > 0 THEN now() END, CASE WHEN n %% 3 > 0 THEN locked_by_id END,
  CASE WHEN n %% 3 > 0 THEN 'accepted' ELSE '' END
FROM (SELECT *, row_number() OVER (ORDER BY locked_at) AS n FROM product_locks) l
-- next
INSERT INTO match_decisions (left_key, right_key, score, reasons, algorithm, verdict)
SELECT least(a.merge_key, b.merge_key), greatest(a.merge_key, b.merge_key), random(), '[]', 'bench',
  CASE WHEN right(a.sku, 1) = '0' THEN 'open' ELSE 'different' END
FROM products a JOIN products b ON b.merge_key = 'bench:' || (substr(a.merge_key, 7)::int + 7)
WHERE substr(a.merge_key, 7)::int %% 4 = 0 OR right(a.sku, 1) = '0'
-- next
INSERT INTO operations (kind, actor_id, client, reason, request_id, run_id, started_at)
SELECT CASE WHEN r.id IS NULL THEN 'edit' ELSE 'run' END,
  CASE WHEN r.id IS NULL THEN (SELECT min(id) FROM auth_user) END, '', '', '', r.id,
  now() - n * interval '7 minutes'
FROM generate_series(1, %(products)s / 10) n LEFT JOIN numbered_runs r ON r.number = n
-- next
INSERT INTO row_changes (operation_id, table_name, row_id, action, before, after, changed_at)
SELECT o.id, 'products', gen_random_uuid(), 'U', 'price=>10', 'price=>12', o.started_at
FROM operations o CROSS JOIN generate_series(1, 10)
-- next
INSERT INTO raw_records (run_id, source, bundle, role, url, status, content_type, content_hash,
  size_bytes, request_key, etag, last_modified, is_unmodified, fetched_at, landed_at,
  processed_records, rejected_records, pipeline_version, processed_at)
SELECT id, source, 'items-' || n, 'page', 'http://127.0.0.1:9/' || n, 200, 'application/json',
  md5(number::text || n), 10000, '', '', '', false, now() - number * interval '1 minute',
  now() - number * interval '1 minute', 100, 0, '1', now()
FROM numbered_runs CROSS JOIN generate_series(1, 10) n
-- next
INSERT INTO lineage_entries (occurred_at, run_id, source, operation, output_table, record_count,
  checksum)
SELECT now() - number * interval '1 minute', id, source, 'clean', 'supplier_listings', 5000,
  md5(number::text || n)
FROM numbered_runs CROSS JOIN generate_series(1, 10) n
-- next
INSERT INTO quarantined_records (source, external_id, field, reason, payload, payload_hash, run_id,
  first_seen_at, closed_at, outcome)
SELECT r.source, 'item-' || n, 'price', 'price is missing', '{"name": "Kush"}', md5(n::text), r.id,
  now() - n * interval '5 minutes', CASE WHEN n %% 4 > 0 THEN now() END,
  CASE WHEN n %% 4 > 0 THEN 'dismissed' ELSE '' END
FROM generate_series(1, %(products)s / 10) n JOIN numbered_runs r ON r.number = 1 + n %% (%(products)s / 50)
-- next
INSERT INTO quality_findings (rule, severity, table_name, row_id, field, message, opened_at, closed_at)
SELECT 'thc_range', CASE WHEN number %% 3 = 0 THEN 'error' ELSE 'warning' END, 'products', id,
  'thc_percentage', 'out of range', now(), CASE WHEN number %% 2 = 0 THEN now() END
FROM (SELECT id, row_number() OVER () AS number FROM products) p WHERE number %% 20 = 0
-- next
INSERT INTO alerts (code, subject, message, severity, opened_at, closed_at)
SELECT 'source_stale', 'source-' || n, 'No new data for two days.',
  CASE WHEN n %% 3 = 0 THEN 'error' ELSE 'warning' END, now() - n * interval '10 minutes',
  CASE WHEN n %% 100 > 0 THEN now() END
FROM generate_series(1, %(products)s / 20) n
-- next
INSERT INTO store_stock (store_id, product_id, quantity)
SELECT s.id, p.id, (random() * 30)::int
FROM (SELECT id, row_number() OVER () AS number FROM products) p CROSS JOIN stores s
WHERE p.number %% 40 = 0
-- next
INSERT INTO product_popularity (store_id, product_id, score, orders)
SELECT store_id, product_id, random() * 100, (random() * 50)::int FROM store_stock
UNION ALL SELECT NULL, id, random() * 100, (random() * 50)::int FROM products WHERE right(sku, 1) = '3'
-- next
INSERT INTO customer_profiles (external_customer_id, province, language, created_at, updated_at,
  preferred_strain_types, purchase_frequency, avg_spending, store_id)
SELECT 'customer-' || n, 'ON', 'en', now() - n * interval '1 minute', now(), '{indica}', 3, 42,
  (SELECT id FROM stores LIMIT 1)
FROM generate_series(1, %(products)s / 5) n
-- next
INSERT INTO purchases (event_id, line, order_id, customer_id, store_id, product_id, quantity,
  unit_price, purchased_at)
SELECT gen_random_uuid(), 1, 'order-' || number, NULL, (SELECT id FROM stores LIMIT 1), id, 1, price,
  now() - number * interval '30 seconds'
FROM (SELECT *, row_number() OVER () AS number FROM products) p
-- next
INSERT INTO chat_sessions (customer_id, session_start, language, total_messages, store_id)
SELECT CASE WHEN right(external_customer_id, 1) > '4' THEN id END, created_at, 'en', 4, store_id
FROM customer_profiles
-- next
INSERT INTO event_inbox (id, topic, type, channel, occurred_at, received_at)
SELECT gen_random_uuid(), 'purchases', 'purchase.completed', 'kafka', now() - n * interval '1 second',
  now() - n * interval '1 second'
FROM generate_series(1, %(products)s) n
-- next
INSERT INTO webhooks (id, name, url, event_types, is_active, sealed_secret)
VALUES (gen_random_uuid(), 'Web shop', 'http://127.0.0.1:9', '{price}', true, '')
-- next
INSERT INTO webhook_deliveries (event_id, type, data, occurred_at, status, attempts, webhook_id)
SELECT gen_random_uuid(), 'price', '{}', now() - n * interval '1 second',
  CASE WHEN n %% 50 = 0 THEN 'dead' ELSE 'delivered' END, 1, (SELECT id FROM webhooks)
FROM generate_series(1, %(products)s / 5) n
-- next
INSERT INTO erasures (id, subject, status, requested_by, reason, started_at, finished_at, deleted,
  remaining, error)
SELECT gen_random_uuid(), gen_random_uuid(), 'done', 'staff-1', 'request',
  now() - n * interval '1 hour', now(), '{}', '{}', ''
FROM generate_series(1, %(products)s / 200) n
-- next
INSERT INTO retention_sweeps (rule, "table", cutoff_at, started_at, finished_at, deleted,
  skipped_by_hold, is_dry_run, error)
SELECT 'purchases', 'purchases', now(), now() - n * interval '1 hour', now(), 10, 0, false, ''
FROM generate_series(1, %(products)s / 50) n
-- next
INSERT INTO integrity_seals (table_name, block, row_count, checksum, sealed_at, signature)
SELECT 'price_history', n %% 256, 1000, md5(n::text), now(), md5(n::text)
FROM generate_series(1, %(products)s / 20) n
-- next
INSERT INTO licence_holders (source, external_id, name, province, licence_classes, status,
  content_hash)
SELECT 'federal', 'LIC-' || n, 'Holder ' || n, 'ON', 'Cultivation', 'Issued', ''
FROM generate_series(1, %(products)s / 100) n
-- next
INSERT INTO store_repeat_statistics (repeats, predicted_hits, discovery_ratio, segment_shares,
  counted_at)
SELECT 1000, 80, 8, '{"dried_flower": 0.5}', now() - n * interval '1 day'
FROM generate_series(1, %(products)s / 500) n
-- next
INSERT INTO recommendation_rules (name, action, strength, brand, reason)
SELECT 'Rule ' || n, 'hide', 1, 'Brand ' || n, 'recall' FROM generate_series(1, 1000) n
-- next
INSERT INTO price_approvals (product_id, old_price, new_price, evidence, guard_results, decision,
  reason, decided_at, decided_by_id)
SELECT id, price, price + 1, '{}', '[]', 'approved', '', updated_at, (SELECT min(id) FROM auth_user)
FROM products WHERE right(sku, 1) = '5'
-- next
INSERT INTO training_runs (model, status, parameters, seed, as_of, code_version, data_key,
  data_checksum, test_checksum, metrics, curves, started_at, finished_at)
SELECT 'pricing', 'succeeded', '{}', 1, now(), '1', '', '', '', '{}', '{}',
  now() - n * interval '1 hour', now()
FROM generate_series(1, %(products)s / 500) n
-- next
INSERT INTO model_versions (model, number, artifact_key, artifact_format, sha256, size_bytes,
  signature, metrics, features, data_checksum, test_checksum, verdict, created_at, run_id)
SELECT 'pricing', row_number() OVER (ORDER BY started_at), '', 'skops', '', 1000, '', '{}', '{}', '',
  '', 'passed', started_at, id
FROM training_runs
-- next
INSERT INTO deployments (model, scope, role, share, started_at, ended_at, approved_by, version_id)
SELECT model, '', 'champion', 1, created_at, created_at + interval '1 hour', 'staff-1', id
FROM model_versions
-- next
INSERT INTO price_suggestions (status, provinces, current_price, suggested_price, market_low,
  market_price, market_high, cost, margin_percent, current_margin_percent, limited_by, reasons,
  evidence, elasticity, suggested_at, model_version_id, product_id)
SELECT CASE WHEN right(sku, 2) < '50' THEN 'pending' ELSE 'superseded' END, '{ON}', price, price + 1,
  price - 2, price, price + 3, price * 0.6, 40, 38, '', '[]', '{}', '{}', updated_at,
  (SELECT id FROM model_versions LIMIT 1), id
FROM products WHERE right(sku, 1) IN ('3', '7')
-- next
INSERT INTO drift_references (kind, name, position, histogram, version_id)
SELECT 'feature', 'price-' || n, n, '{}', (SELECT id FROM model_versions LIMIT 1)
FROM generate_series(1, 20) n
-- next
INSERT INTO drift_measurements (day, since, until, row_count, counts, psi, outcome, reference_id)
SELECT current_date - d, now() - (d + 1) * interval '1 day', now() - d * interval '1 day', 1000, '[]',
  0.02, 'stable', r.id
FROM drift_references r CROSS JOIN generate_series(0, %(products)s / 500) d
-- next
INSERT INTO outcome_counts (model, metric, segment, version, day, trials, successes, predicted)
SELECT 'pricing', 'click_rate', 'segment-' || s, '1', current_date - d, 1000, 50, 48
FROM generate_series(1, 50) s CROSS JOIN generate_series(0, %(products)s / 500) d
-- next
SET session_replication_role = DEFAULT
