import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('customers', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='CustomerBiometric',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('customer', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to='customers.customerprofile')),
                ('encrypted_template', models.BinaryField()),
                ('confidence_score', models.DecimalField(decimal_places=4, max_digits=5, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), null=True)),
                ('expires_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'customer_biometrics',
            },
        ),
    ]
