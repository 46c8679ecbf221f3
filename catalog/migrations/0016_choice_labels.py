"""Clearer labels of choices."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0015_bulk_edits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='catalogsource',
            name='kind',
            field=models.CharField(choices=[('site', 'supplier website'), ('sheet', 'CSV or Excel file')], db_comment='connector: built-in, or a list in CSV or Excel', default='site', editable=False, max_length=10),
        ),
        migrations.AlterField(
            model_name='matchdecision',
            name='verdict',
            field=models.CharField(choices=[('open', 'open'), ('same', 'duplicate'), ('different', 'not a duplicate')], db_comment='same, open or different', default='open', max_length=10),
        ),
    ]
