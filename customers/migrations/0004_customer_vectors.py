from pathlib import Path

from django.db import migrations

_SQL = (Path(__file__).parent / 'sql' / 'customer_vectors.sql').read_text()
_UNDONE = '''
DROP TRIGGER customer_profiles_vector_updated ON customer_profiles;
DROP TRIGGER customer_profiles_vector_deleted ON customer_profiles;
DROP FUNCTION note_customer_vector_due CASCADE;
'''


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0003_recommendations'),
        ('vectors', '0002_indexes'),
    ]

    operations = [
        migrations.RunSQL(_SQL, _UNDONE),
    ]
