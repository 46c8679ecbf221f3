from pathlib import Path

from django.db import migrations

_SQL = (Path(__file__).parent / 'sql' / 'price_events.sql').read_text()
_UNDONE = '''
DROP TRIGGER products_price_set ON products;
DROP FUNCTION note_price_set();
'''


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0011_finding_fast'),
        ('mlops', '0008_streams_privacy_metrics'),
    ]

    operations = [
        migrations.RunSQL(_SQL, _UNDONE),
    ]
