"""Clearer labels of choices."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mlops', '0012_runs_started'),
    ]

    operations = [
        migrations.AlterField(
            model_name='inboxevent',
            name='channel',
            field=models.CharField(choices=[('kafka', 'Kafka'), ('rest', 'REST'), ('replay', 'Replay')], db_comment='kafka, rest or replay', max_length=6),
        ),
    ]
