"""Indexes of the orders and searches of long console lists."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0016_choice_labels'),
        ('mlops', '0013_choice_labels'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='matchdecision',
            index=models.Index(fields=['verdict', '-score', 'left_key'], name='match_decisions_best'),
        ),
        migrations.AddIndex(
            model_name='supplierlisting',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('raw_name'), name='gin_trgm_ops'), name='supplier_listings_raw_name'),
        ),
    ]
