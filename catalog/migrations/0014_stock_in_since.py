from pathlib import Path

from django.db import migrations, models
from django.db.models.functions import Now

_SQL = (Path(__file__).parent / 'sql' / 'stock_in_since.sql').read_text()
_UNDONE = '''
DROP TRIGGER store_stock_in_since ON store_stock;
DROP FUNCTION note_in_since();
'''


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0013_provinces_of_stores'),
    ]

    operations = [
        migrations.AddField(
            model_name='storestock',
            name='in_since',
            field=models.DateTimeField(db_comment='when it last came in where there was none; by trigger', db_default=Now()),
        ),
        migrations.AddIndex(
            model_name='storestock',
            index=models.Index(fields=['store', 'in_since'], name='store_stock_in_since'),
        ),
        migrations.RunSQL(_SQL, _UNDONE),
    ]
