"""The predicted probability of each recommended product, and the threshold of its calibration."""

import django.contrib.postgres.fields
from django.db import migrations, models

# Probabilities of a purchase within two weeks are small: the general threshold, a tenth, would be
# most of them.
_KEY = {"name": "model.calibration_error", "source": "recommendation", "side": "above"}
_VALUE = 0.05


def create_threshold(apps, _editor):
    thresholds = apps.get_model("mlops", "MetricThreshold")
    thresholds.objects.get_or_create(**_KEY, defaults={"value": _VALUE})


def delete_threshold(apps, _editor):
    apps.get_model("mlops", "MetricThreshold").objects.filter(**_KEY).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0007_consent_events"),
        ("mlops", "0014_bins_of_calibration"),
    ]

    operations = [
        migrations.AddField(
            model_name="recommendation",
            name="probabilities",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.FloatField(null=True),
                db_comment=(
                    "predicted probability of a purchase within two weeks, in the order of"
                    " products; NULL where no trained model ranked"
                ),
                null=True,
                size=None,
            ),
        ),
        migrations.RunPython(create_threshold, delete_threshold),
    ]
