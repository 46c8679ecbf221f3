"""Ids of API keys become their prefix: the console shows the id in addresses."""

from django.db import migrations, models

REMOVE_HASHES = """
UPDATE api_keys SET id = prefix;
UPDATE django_admin_log SET object_id = split_part(object_id, '.', 1)
WHERE object_id LIKE '%.%' AND content_type_id IN (
  SELECT id FROM django_content_type WHERE (app_label, model) = ('config', 'apikey')
)
"""


class Migration(migrations.Migration):

    dependencies = [
        ("config", "0001_initial"),
        ("admin", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(REMOVE_HASHES, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="apikey",
            name="id",
            field=models.CharField(
                db_comment="primary key: the prefix, which may appear in addresses and logs",
                editable=False,
                max_length=150,
                primary_key=True,
                serialize=False,
                unique=True,
            ),
        ),
    ]
