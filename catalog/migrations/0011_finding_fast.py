from pathlib import Path

from django.db import migrations, models

_SQL = (Path(__file__).parent / 'sql' / 'products_carrying.sql').read_text()
_UNDONE = 'DROP FUNCTION products_carrying(tsquery)'


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0010_listing_numbers'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['price'], name='products_price'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['category'], name='products_category'),
        ),
        migrations.RunSQL(_SQL, _UNDONE),
    ]
