"""Which column of a list says what: chosen by staff, tried on its first rows before it is saved."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from pydantic import ValidationError as MappingError
from unfold.widgets import (
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from catalog.ingest.sources.mapping import SheetMapping, fields_of
from catalog.ingest.sources.preview import Look, unknown_categories
from catalog.ingest.vocabulary import CATEGORIES

_WITH_UNITS = {
    "size": ("g", "ml", "mg"),
    **dict.fromkeys(("thc", "cbd", "lot_thc", "lot_cbd"), ("%", "mg/g", "mg", "mg/ml")),
}
_ENCODINGS = {
    "": "found out",
    "utf-8": "UTF-8",
    "cp1252": "Windows (cp1252)",
    "utf-16-le": "UTF-16",
}
_DELIMITERS = {"": "found out", ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


class FormatForm(forms.Form):
    """How the list is written; asked first, since the columns hang on it."""

    sheet = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    header_row = forms.IntegerField(
        min_value=1,
        max_value=100,
        initial=1,
        widget=UnfoldAdminTextInputWidget,
        help_text="Row with the columns' names",
    )
    encoding = forms.ChoiceField(
        required=False, choices=_ENCODINGS.items, widget=UnfoldAdminSelectWidget
    )
    delimiter = forms.ChoiceField(
        required=False, choices=_DELIMITERS.items, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *arguments: Any, sheets: list[str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["sheet"].choices = [("", "the first"), *((name, name) for name in sheets)]  # type: ignore[attr-defined]


class ColumnsForm(forms.Form):
    """A column, a default and a unit for each of our fields; what tells rows apart; words for categories."""

    language = forms.ChoiceField(
        choices=[("en", "English"), ("fr", "French")], widget=UnfoldAdminSelectWidget
    )
    price_kind = forms.ChoiceField(
        label="prices are",
        choices=[("retail", "retail"), ("wholesale", "wholesale")],
        widget=UnfoldAdminSelectWidget,
    )
    day_first = forms.BooleanField(
        required=False, label="dates have the day first", widget=UnfoldBooleanSwitchWidget
    )
    id_columns = forms.MultipleChoiceField(
        required=False,
        label="what tells rows apart",
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="None: name, brand, size and category together.",
    )

    def __init__(self, data: Any, *, look: Look, mapping: dict[str, Any], holds: str) -> None:
        super().__init__(data, initial=_initial(mapping))
        self.holds = holds
        if holds == "licences":
            del self.fields["price_kind"], self.fields["language"]
        names = [("", "–"), *((name, name) for name in look.columns)]
        self.fields["id_columns"].choices = names[1:]  # type: ignore[attr-defined]
        for field in fields_of(self.holds):
            self.fields[f"column-{field}"] = forms.ChoiceField(
                required=field == "name", choices=names, widget=UnfoldAdminSelectWidget
            )
            self.fields[f"default-{field}"] = forms.CharField(
                required=False, max_length=200, widget=UnfoldAdminTextInputWidget
            )
            if field in _WITH_UNITS:
                units = [("", "as written"), *((unit, unit) for unit in _WITH_UNITS[field])]
                self.fields[f"unit-{field}"] = forms.ChoiceField(
                    required=False, choices=units, widget=UnfoldAdminSelectWidget
                )
        column = self.data.get("column-category") or mapping.get("columns", {}).get("category", "")
        self.unknown = unknown_categories(look.rows, column)
        ours = [("", "refuse"), *((word, word) for word in sorted(set(CATEGORIES.values())))]
        for place, word in enumerate(self.unknown):
            self.fields[f"category-{place}"] = forms.ChoiceField(
                required=False,
                label=word,
                choices=ours,
                widget=UnfoldAdminSelectWidget,
                initial=mapping.get("values", {}).get("category", {}).get(word, ""),
            )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Bound fields by our field, for the table of the page."""
        return [
            {
                "name": field.replace("_", " "),
                "column": self[f"column-{field}"],
                "default": self[f"default-{field}"],
                "unit": self[f"unit-{field}"] if field in _WITH_UNITS else "",
            }
            for field in fields_of(self.holds)
        ]

    @property
    def words(self) -> list[Any]:
        """Bound fields of the categories that we do not know."""
        return [self[f"category-{place}"] for place in range(len(self.unknown))]

    def mapping(self, form: dict[str, Any]) -> SheetMapping:
        """Return what was chosen, with how the list is written; raises ValidationError."""
        chosen = self.cleaned_data
        kept = {word: chosen[f"category-{place}"] for place, word in enumerate(self.unknown)}
        try:
            return SheetMapping(
                columns=_said(chosen, "column-"),
                defaults=_said(chosen, "default-"),
                units=_said(chosen, "unit-"),  # type: ignore[arg-type]  # the choices are the type's
                values={"category": {word: ours for word, ours in kept.items() if ours}}
                if kept
                else {},
                id_columns=tuple(chosen["id_columns"]),
                holds=self.holds,  # type: ignore[arg-type]  # a choice of the source's row
                language=chosen.get("language", "en"),
                price_kind=chosen.get("price_kind", "retail"),
                day_first=chosen["day_first"],
                **form,
            )
        except MappingError as error:
            raise ValidationError([problem["msg"] for problem in error.errors()]) from None


def _said(chosen: dict[str, Any], start: str) -> dict[str, str]:
    return {
        name.removeprefix(start): value
        for name, value in chosen.items()
        if name.startswith(start) and value
    }


def _initial(mapping: dict[str, Any]) -> dict[str, Any]:
    kinds = (("columns", "column-"), ("defaults", "default-"), ("units", "unit-"))
    by_field = {
        f"{start}{field}": value
        for kind, start in kinds
        for field, value in mapping.get(kind, {}).items()
    }
    return {
        **by_field,
        **{
            name: mapping.get(name)
            for name in ("language", "price_kind", "day_first", "id_columns")
        },
    }
