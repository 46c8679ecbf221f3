from pathlib import Path

from django.db import migrations

_RULES = Path(__file__).parent / 'sql' / 'templates.sql'
_DROP = """
DROP FUNCTION refuse_audit_change CASCADE;
DROP FUNCTION notify_biometrics_changed CASCADE;
DROP FUNCTION notify_face_consents_changed CASCADE;
"""


class Migration(migrations.Migration):

    # The foreign key of the salts is added at the end of the migration that creates their table.
    dependencies = [('biometrics', '0002_templates')]

    operations = [migrations.RunSQL(_RULES.read_text(), _DROP)]
