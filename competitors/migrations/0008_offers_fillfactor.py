from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [('competitors', '0007_price_alerts')]

    operations = [
        # Each crawl updates the time at which an offer was last seen; with room in the page, no
        # index is written for it.
        migrations.RunSQL(
            'ALTER TABLE competitor_offers SET (fillfactor = 70)',
            'ALTER TABLE competitor_offers RESET (fillfactor)',
        ),
    ]
