"""Indexes of the orders and searches of long console lists."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0017_list_indexes'),
        ('competitors', '0009_price_suggestions'),
        ('mlops', '0013_choice_labels'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='competitoroffer',
            index=models.Index(fields=['name', 'id'], name='competitor_offers_by_name'),
        ),
        migrations.AddIndex(
            model_name='competitoroffer',
            index=models.Index(condition=models.Q(('gone_at', None)), fields=['match_status', 'competitor'], name='competitor_offers_listed'),
        ),
        migrations.AddIndex(
            model_name='competitoroffer',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('name'), name='gin_trgm_ops'), django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('brand'), name='gin_trgm_ops'), django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('sku'), name='gin_trgm_ops'), name='competitor_offers_search'),
        ),
        migrations.AddIndex(
            model_name='offermatch',
            index=models.Index(fields=['-score', 'id'], name='offer_matches_best'),
        ),
        migrations.AddIndex(
            model_name='pricesuggestion',
            index=models.Index(fields=['-suggested_at', 'id'], name='price_suggestions_newest'),
        ),
    ]
