"""Forms of a rejected record's payload: an input for each of its fields, or JSON as a whole."""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

_MONOSPACE = "font-family: monospace"
_PREFIX = "field-"


class IndentedJSONEncoder(json.JSONEncoder):
    """JSON encoder with indentation and unescaped characters, as people edit payloads."""

    def __init__(self, **kwargs: Any) -> None:
        """Override the form field's options."""
        super().__init__(**{**kwargs, "indent": 2, "ensure_ascii": False})


class JSONPayloadForm(forms.Form):
    """Payload of a rejected record, as JSON."""

    payload = forms.JSONField(
        encoder=IndentedJSONEncoder,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 24, "style": _MONOSPACE}),
    )

    def clean_payload(self) -> dict[str, Any]:
        """Require a JSON object."""
        payload = self.cleaned_data["payload"]
        if not isinstance(payload, dict):
            raise forms.ValidationError(_("The payload must be a JSON object."))
        return payload


class PayloadFieldsForm(forms.Form):
    """
    Payload of a rejected record, with an input for each field and JSON for nested ones.

    A value that is not edited keeps its type; an edited number, truth value or null is read as JSON
    if it is any of these, else as text.
    """

    def __init__(
        self, data: Mapping[str, Any] | None, *, received: Mapping[str, Any], faulty: str
    ) -> None:
        """Add the fields; `faulty` names the one that was rejected, or a part of it."""
        super().__init__(data)
        self._received = received
        self._names = {f"{_PREFIX}{index}": name for index, name in enumerate(received)}
        for key, name in self._names.items():
            self.fields[key] = _field(name, received[name])
        self.faulty_key = next((k for k, n in self._names.items() if _is_same(n, faulty)), "")
        if self.faulty_key:
            self.order_fields([self.faulty_key])

    @staticmethod
    def is_posted(data: Mapping[str, Any]) -> bool:
        """Return whether a request contains the fields of this form."""
        return any(key.startswith(_PREFIX) for key in data)

    def clean(self) -> dict[str, Any]:
        """Add `payload`, the edited payload in the order in which it was received."""
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned["payload"] = {
            name: _read(self._received[name], cleaned.get(key)) for key, name in self._names.items()
        }
        return cleaned


def _field(name: str, value: Any) -> forms.Field:
    if isinstance(value, dict | list):
        return forms.JSONField(
            label=name,
            required=False,
            initial=value,
            encoder=IndentedJSONEncoder,
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "style": _MONOSPACE}),
        )
    return forms.CharField(
        label=name,
        required=False,
        strip=False,
        initial=_text(value),
        widget=UnfoldAdminTextInputWidget,
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _read(received: Any, edited: Any) -> Any:
    if isinstance(received, dict | list | str):
        return edited if edited is not None or not isinstance(received, str) else ""
    if edited == _text(received):
        return received
    try:
        value = json.loads(edited)
    except ValueError:
        return edited
    return value if not isinstance(value, dict | list | str) else edited


def _is_same(name: str, faulty: str) -> bool:
    """Return whether a field is the faulty one, such as `lines` of `lines.0.price`."""
    return bool(faulty) and name.casefold() == faulty.partition(".")[0].casefold()
