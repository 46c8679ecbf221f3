"""Consents that are given or withdrawn become events of the outbox."""

from pathlib import Path

from django.db import migrations

_TRIGGERS = (Path(__file__).parent / "sql" / "consent_events.sql").read_text()
_DROP = """
DROP TRIGGER consents_updated_event ON consents;
DROP TRIGGER consents_inserted_event ON consents;
DROP FUNCTION record_consent_events;
"""


class Migration(migrations.Migration):
    dependencies = [("customers", "0006_recommendation_variants"), ("mlops", "0009_webhooks")]

    operations = [migrations.RunSQL(_TRIGGERS, _DROP)]
