from pathlib import Path

from django.db import migrations

_SQL = (Path(__file__).parent / 'sql' / 'vector_outbox.sql').read_text()
_UNDONE = '''
DROP TRIGGER products_vector_inserted ON products;
DROP TRIGGER products_vector_updated ON products;
DROP TRIGGER products_vector_deleted ON products;
'''


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0008_search'),
        ('vectors', '0002_indexes'),
    ]

    operations = [
        migrations.RunSQL(_SQL, _UNDONE),
    ]
