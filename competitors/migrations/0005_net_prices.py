from pathlib import Path

from django.db import migrations, models

_SQL = Path(__file__).parent / 'sql'


class Migration(migrations.Migration):

    dependencies = [('competitors', '0004_matches_comments')]

    operations = [
        migrations.AddField(
            model_name='competitoroffer',
            name='net_price',
            field=models.DecimalField(db_comment='price that anyone gets, without tax; NULL: not in CAD, or tax unknown', decimal_places=2, max_digits=10, null=True),
        ),
        migrations.RunSQL(
            (_SQL / 'price_notices.sql').read_text(),
            'DROP FUNCTION notify_prices_observed CASCADE; DROP FUNCTION notify_offer_changed CASCADE',
        ),
    ]
