"""Form of a rejected payload: types stay, the faulty field comes first."""

from typing import Any

import pytest

from catalog.admin.payload_form import PayloadFieldsForm

RECEIVED: dict[str, Any] = {
    "Nom": "Pink Kush",
    "Prix": "12,34,5",
    "count": 3,
    "is_new": True,
    "size": None,
    "lines": [{"sku": "A", "price": -1}],
}


def _posted(form: PayloadFieldsForm, **edited: str) -> dict[str, str]:
    """Return the request of an unchanged form, with some values edited by the name of the field."""
    values = {}
    for key, field in form.fields.items():
        values[key] = edited.get(str(field.label), str(form[key].value() or ""))
    return values


def _payload(**edited: str) -> Any:
    shown = PayloadFieldsForm(None, received=RECEIVED, faulty="")
    form = PayloadFieldsForm(_posted(shown, **edited), received=RECEIVED, faulty="")
    assert form.is_valid(), form.errors
    return form.cleaned_data["payload"]


def test_payload_that_is_not_edited_stays_as_received() -> None:
    assert _payload() == RECEIVED


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("Prix", "12.34", "12.34"),
        ("Nom", "", ""),
        ("count", "4", 4),
        ("count", "4.5", 4.5),
        ("count", "four", "four"),
        ("count", '"4"', '"4"'),
        ("is_new", "false", False),
        ("size", "3.5 g", "3.5 g"),
        ("size", "2", 2),
        ("lines", '[{"sku": "A", "price": 5}]', [{"sku": "A", "price": 5}]),
    ],
)
def test_edited_value_has_the_type_of_the_field(name: str, text: str, value: Any) -> None:
    assert _payload(**{name: text}) == {**RECEIVED, name: value}


def test_nested_value_that_is_no_json_is_an_error() -> None:
    shown = PayloadFieldsForm(None, received=RECEIVED, faulty="")

    form = PayloadFieldsForm(_posted(shown, lines="[{"), received=RECEIVED, faulty="")

    assert [form.fields[key].label for key in form.errors] == ["lines"]


@pytest.mark.parametrize(
    ("faulty", "label"), [("prix", "Prix"), ("lines.0.price", "lines"), ("unknown", ""), ("", "")]
)
def test_faulty_field_is_marked_and_comes_first(faulty: str, label: str) -> None:
    form = PayloadFieldsForm(None, received=RECEIVED, faulty=faulty)

    assert (form.fields[form.faulty_key].label if form.faulty_key else "") == label
    if label:
        assert next(iter(form.fields.values())).label == label
