from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0004_effective_products'),
    ]

    operations = [
        migrations.AddField(
            model_name='supplierlisting',
            name='stock_quantity',
            field=models.DecimalField(db_comment='quantity that the source has; NULL: not stated', decimal_places=2, max_digits=12, null=True),
        ),
        migrations.AddField(
            model_name='supplierlisting',
            name='doubts',
            field=ArrayField(base_field=models.TextField(), db_comment='values left open or changed in cleaning: field, text as written, reason', db_default=Value('{}'), default=list, size=None),
        ),
    ]
