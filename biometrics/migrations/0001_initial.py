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
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False, db_comment='primary key')),
                ('customer', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to='customers.customerprofile', db_comment='customer')),
                ('encrypted_template', models.BinaryField(db_comment='template, encrypted')),
                ('confidence_score', models.DecimalField(decimal_places=4, max_digits=5, null=True, db_comment='quality of the enrolment, 0 to 1')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), null=True, db_comment='when the row was created')),
                ('expires_at', models.DateTimeField(null=True, db_comment='when the template must be deleted')),
            ],
            options={'db_table_comment': 'Encrypted face templates', 
                'db_table': 'customer_biometrics',
            },
        ),
    ]
