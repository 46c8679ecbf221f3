"""Changes of products, prices and stock become events of the outbox."""

from pathlib import Path

from django.db import migrations

_TRIGGERS = (Path(__file__).parent / "sql" / "change_events.sql").read_text()
_DROP = """
DROP TRIGGER store_stock_updated_event ON store_stock;
DROP TRIGGER store_stock_inserted_event ON store_stock;
DROP FUNCTION record_stock_events;
DROP TRIGGER products_inserted_event ON products;
DROP FUNCTION record_new_product_events;
DROP TRIGGER products_updated_event ON products;
DROP FUNCTION record_product_events;
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0011_products_by_change"), ("mlops", "0009_webhooks")]

    operations = [migrations.RunSQL(_TRIGGERS, _DROP)]
