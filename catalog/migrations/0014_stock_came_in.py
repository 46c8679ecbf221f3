from pathlib import Path

import catalog.models.stores
from django.db import migrations, models

_SQL = (Path(__file__).parent / 'sql' / 'stock_came_in.sql').read_text()
_UNDONE = '''
DROP TRIGGER store_stock_came_in ON store_stock;
DROP FUNCTION note_came_in();
'''


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0013_provinces_of_stores'),
    ]

    operations = [
        migrations.AddField(
            model_name='storestock',
            name='came_in',
            field=models.BigIntegerField(db_comment='transaction by which it last came in where there was none; by trigger', db_default=catalog.models.stores.ThisTransaction(), editable=False),
        ),
        migrations.AddIndex(
            model_name='storestock',
            index=models.Index(fields=['store', 'came_in'], name='store_stock_came_in'),
        ),
        migrations.RunSQL(_SQL, _UNDONE),
    ]
