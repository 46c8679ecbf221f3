from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent / 'sql'


class Migration(migrations.Migration):

    dependencies = [('catalog', '0003_restocked_at')]

    operations = [
        migrations.RunSQL((_SQL / 'effective_products.sql').read_text(), 'DROP VIEW effective_products'),
    ]
