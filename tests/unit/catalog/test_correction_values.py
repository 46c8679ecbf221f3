"""Values of corrections: of the type of their field, or refused with field and reason."""

from decimal import Decimal
from typing import Any

import pytest

from catalog.services.corrections import validate_corrections
from config.errors import BadInput


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unit_count", 2.5),
        ("unit_count", True),
        ("price", True),
        ("thc_percentage", False),
        ("name", 5),
        ("name", ["Pink Kush"]),
        ("name", {"en": "Pink Kush"}),
        ("brand", True),
        ("gtin", True),
        ("name", "   "),
        ("name", "\u200b"),
        ("name", "Pink\u202eKush"),
        ("name", "Pink\u200bKush"),
        ("name", "Pink\ud800"),
        ("mg_basis", "per unit"),
        ("mg_basis", "percent"),
        ("terpenes", "limonene, myrcene"),
        ("terpenes", [1]),
        ("terpenes", {"limonene": 1}),
        ("lineage", [["OG Kush"]]),
        ("effects", True),
    ],
)
def test_value_of_another_type_is_refused_with_its_field(field: str, value: Any) -> None:
    with pytest.raises(BadInput) as caught:
        validate_corrections({field: value})

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("unit_count", 3.0, 3),
        ("unit_count", "3", 3),
        ("price", 29.95, Decimal("29.95")),
        ("name", " Pink Kush ", "Pink Kush"),
        ("gtin", 697238111150, "00697238111150"),
        ("terpenes", [" Limonène "], ["limonene"]),
        ("terpenes", [], []),
        ("mg_basis", "mg_per_unit", "mg_per_unit"),
        ("mg_basis", None, None),
        ("brand", None, None),
    ],
)
def test_value_of_the_type_of_its_field_is_taken(field: str, value: Any, expected: Any) -> None:
    assert validate_corrections({field: value}) == {field: expected}
