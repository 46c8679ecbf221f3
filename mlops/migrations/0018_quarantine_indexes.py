"""Indexes of the open and of the fixed records in quarantine, created beside running processes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("mlops", "0017_remembered_fixes"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="quarantinedrecord",
            index=models.Index(
                fields=["source", "external_id"],
                name="quarantined_records_open",
                condition=models.Q(closed_at=None),
            ),
        ),
        AddIndexConcurrently(
            model_name="quarantinedrecord",
            index=models.Index(
                fields=["source"],
                name="quarantined_records_fixed",
                condition=models.Q(fixed_payload__isnull=False),
            ),
        ),
    ]
