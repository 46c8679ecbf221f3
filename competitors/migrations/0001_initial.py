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
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False, db_comment='primary key')),
                ('product', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to='catalog.product', db_comment='product the offer was matched to')),
                ('competitor', models.CharField(max_length=100, null=True, db_comment='competitor')),
                ('price', models.DecimalField(decimal_places=2, max_digits=10, null=True, db_comment='price in Canadian dollars')),
                ('in_stock', models.BooleanField(null=True, db_comment='whether the competitor has it')),
                ('scraped_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), null=True, db_comment='when it was observed')),
            ],
            options={'db_table_comment': "Observations of competitors' prices and stock", 
                'verbose_name_plural': 'price history',
                'db_table': 'price_history',
                'indexes': [models.Index(fields=['-scraped_at'], name='idx_price_history_scraped_at')],
            },
        ),
    ]
