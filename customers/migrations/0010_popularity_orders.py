"""Indexes of the orders of popular products."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0020_search_notices'),
        ('customers', '0009_plural_names'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='productpopularity',
            name='product_popularity_best',
        ),
        migrations.AddIndex(
            model_name='productpopularity',
            index=models.Index(fields=['store', '-score', 'product'], name='product_popularity_best'),
        ),
        migrations.AddIndex(
            model_name='productpopularity',
            index=models.Index(condition=models.Q(('store', None)), fields=['-score', 'product'], name='product_popularity_overall'),
        ),
        migrations.AddIndex(
            model_name='productpopularity',
            index=models.Index(fields=['-score', 'id'], name='product_popularity_list'),
        ),
    ]
