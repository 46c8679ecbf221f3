"""
Changes of products are announced to processes that keep lists of them.

The index of the newest products has the order of the lists: products without a time come last.
"""

from pathlib import Path

from django.db import migrations, models

_TRIGGER = (Path(__file__).parent / "sql" / "product_notices.sql").read_text()
_DROP = """
DROP TRIGGER notify_products_changed ON products;
DROP FUNCTION notify_products_changed;
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0017_list_indexes")]

    operations = [
        migrations.RunSQL(_TRIGGER, _DROP),
        migrations.RemoveIndex(model_name="product", name="products_newest"),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(
                models.F("created_at").desc(nulls_last=True), "id", name="products_newest"
            ),
        ),
    ]
