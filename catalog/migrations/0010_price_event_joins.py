from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [('catalog', '0009_search_functions')]

    operations = [
        # As for record_row_updates in mlops: the first call of a connection decides the plan for all sizes of updates.
        migrations.RunSQL(
            'ALTER FUNCTION enqueue_price_events() SET enable_nestloop = off',
            'ALTER FUNCTION enqueue_price_events() RESET enable_nestloop',
        ),
    ]
