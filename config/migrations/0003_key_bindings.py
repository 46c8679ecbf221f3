"""API keys: several provinces, stores, expiry after a year, and when a key was last used."""

import django.contrib.postgres.fields
from django.db import migrations, models

import config.models

TO_PROVINCES = "UPDATE api_keys SET provinces = ARRAY[province] WHERE province <> ''"
TO_PROVINCE = "UPDATE api_keys SET province = provinces[1] WHERE cardinality(provinces) > 0"


class Migration(migrations.Migration):
    dependencies = [("config", "0002_api_key_ids_without_hash")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="provinces",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=2),
                blank=True,
                default=list,
                help_text="Two letters each, for example ON; empty: any province.",
                size=None,
                db_comment="provinces that the client is bound to; empty: any",
            ),
        ),
        migrations.RunSQL(TO_PROVINCES, TO_PROVINCE),
        migrations.RemoveField(model_name="apikey", name="province"),
        migrations.AddField(
            model_name="apikey",
            name="store_codes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=50),
                blank=True,
                default=list,
                help_text="Codes of stores, for example queen-west; empty: any store.",
                size=None,
                db_comment="codes of the stores that the client is bound to; empty: any",
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="last_used_at",
            field=models.DateTimeField(
                editable=False,
                null=True,
                db_comment="when a request was last authenticated with the key, to the minute",
            ),
        ),
        migrations.AlterField(
            model_name="apikey",
            name="expiry_date",
            field=models.DateTimeField(
                blank=True,
                default=config.models.default_expiry,
                help_text="From when the key is refused: after one year by default.",
                null=True,
                verbose_name="expires",
                db_comment="from when the key is refused; NULL: never",
            ),
        ),
        migrations.AlterField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=50),
                blank=True,
                default=list,
                size=None,
                db_comment="what the client may do, for example events:write",
            ),
        ),
        migrations.AlterModelTableComment(
            name="apikey",
            table_comment=(
                "API keys of REST clients, with audience, scopes, provinces, stores and rate limit"
            ),
        ),
    ]
