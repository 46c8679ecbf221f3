from pathlib import Path

from django.db import migrations

_NOTICES = (Path(__file__).parent / 'sql' / 'change_notices_2.sql').read_text()
_DROP = """
DROP TRIGGER notify_products_merged ON products;
DROP TRIGGER notify_interactions_deleted ON interactions;
DROP TRIGGER notify_purchases_deleted ON purchases;
DROP TRIGGER notify_store_repeat_statistics_inserted ON store_repeat_statistics;
DROP TRIGGER notify_customer_profiles_truncated ON customer_profiles;
DROP TRIGGER notify_consents_truncated ON consents;
DROP TRIGGER notify_purchases_truncated ON purchases;
DROP TRIGGER notify_interactions_truncated ON interactions;
DROP TRIGGER notify_products_truncated ON products;
DROP TRIGGER notify_store_stock_truncated ON store_stock;
DROP TRIGGER notify_stores_truncated ON stores;
DROP TRIGGER notify_recommendation_rules_truncated ON recommendation_rules;
DROP TRIGGER notify_recommendation_scenarios_truncated ON recommendation_scenarios;
"""


class Migration(migrations.Migration):

    dependencies = [('customers', '0003_normalized_external_ids')]

    operations = [migrations.RunSQL(_NOTICES, _DROP)]
