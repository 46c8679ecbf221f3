"""Changes of what search results depend on are announced to processes that keep results."""

from pathlib import Path

from django.db import migrations

_TRIGGERS = (Path(__file__).parent / "sql" / "search_notices.sql").read_text()
_DROP = """
DROP TRIGGER notify_search_words_changed ON search_words;
DROP TRIGGER notify_search_weights_changed ON search_weights;
DROP TRIGGER notify_supplier_listings_changed ON supplier_listings;
DROP TRIGGER notify_product_aliases_changed ON product_aliases;
DROP TRIGGER notify_vector_indexes_changed ON vector_indexes;
DROP TRIGGER notify_stock_word_inserted ON store_stock;
DROP TRIGGER notify_stock_word_updated ON store_stock;
DROP TRIGGER notify_stock_word_deleted ON store_stock;
DROP TRIGGER notify_stock_word_truncated ON store_stock;
DROP FUNCTION notify_word;
DROP FUNCTION notify_stock_word;
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0019_plural_names"), ("vectors", "0001_initial")]

    operations = [migrations.RunSQL(_TRIGGERS, _DROP)]
