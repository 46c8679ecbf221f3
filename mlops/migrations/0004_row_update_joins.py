from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [('mlops', '0003_repeated_records')]

    operations = [
        # PL/pgSQL keeps the plan of the first call in a connection. When that call had a few rows or none, the plan
        # was a nested loop over old and new rows, which takes 4,000,000 comparisons for an update of 2,000 rows.
        migrations.RunSQL(
            'ALTER FUNCTION record_row_updates() SET enable_nestloop = off',
            'ALTER FUNCTION record_row_updates() RESET enable_nestloop',
        ),
    ]
