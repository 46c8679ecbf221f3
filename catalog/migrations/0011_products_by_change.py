"""Index of products by the time of their last change, which clients follow."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0010_price_event_joins")]

    operations = [
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["updated_at", "id"], name="products_by_change"),
        ),
    ]
