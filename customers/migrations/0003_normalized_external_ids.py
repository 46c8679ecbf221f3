"""Write stored external ids in the notation in which they are looked up now."""

from typing import Any

from django.db import migrations

from customers.external_ids import normalize_external_id


def normalize(apps: Any, _editor: Any) -> None:
    """Normalize external ids; one that another customer has in that notation stays as it is."""
    profiles = apps.get_model("customers", "CustomerProfile").objects
    for pk, external_id in profiles.values_list("pk", "external_customer_id").iterator():
        normalized = normalize_external_id(external_id)
        is_free = not profiles.filter(external_customer_id=normalized).exists()
        if normalized and normalized != external_id and is_free:
            profiles.filter(pk=pk).update(external_customer_id=normalized)


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0002_purchase_purchases_by_order'),
    ]

    operations = [migrations.RunPython(normalize, migrations.RunPython.noop)]
