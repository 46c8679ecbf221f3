"""Labels of fields in forms and messages."""

import pytest
from django.utils import translation

from catalog.ingest.sources.mapping import LICENCE_FIELDS, PRODUCT_FIELDS
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.reference.field_labels import FIELD_LABELS, field_label


@pytest.mark.parametrize("name", sorted({*CORRECTABLE_FIELDS, *PRODUCT_FIELDS, *LICENCE_FIELDS}))
def test_each_field_of_products_and_lists_has_a_label(name: str) -> None:
    assert name in FIELD_LABELS
    assert "_" not in field_label(name)


def test_label_follows_the_language_of_the_user() -> None:
    with translation.override("fr"):
        label = field_label("strain_type")

    assert label != field_label("strain_type")


def test_unknown_field_is_named_without_underscores() -> None:
    assert field_label("first_seen") == "first seen"
