import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('catalog', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='PriceHistory',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('product', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to='catalog.product')),
                ('competitor', models.CharField(max_length=100, null=True)),
                ('price', models.DecimalField(decimal_places=2, max_digits=10, null=True)),
                ('in_stock', models.BooleanField(null=True)),
                ('scraped_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), null=True)),
            ],
            options={
                'verbose_name_plural': 'price history',
                'db_table': 'price_history',
                'indexes': [models.Index(fields=['-scraped_at'], name='idx_price_history_scraped_at')],
            },
        ),
    ]
