"""Column mapping of an uploaded list: forms for its format and for the column of each field."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError as MappingError
from unfold.widgets import (
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from catalog.ingest.headings import suggest_columns
from catalog.ingest.sources.mapping import SheetMapping, mapping_fields
from catalog.ingest.sources.preview import SheetPreview, unknown_categories
from catalog.ingest.vocabulary import CATEGORIES
from catalog.reference.field_labels import field_label
from catalog.reference.word_labels import word_choices

_UNITS = {
    "size": ("g", "ml", "mg"),
    **dict.fromkeys(("thc", "cbd", "lot_thc", "lot_cbd"), ("%", "fraction", "mg/g", "mg", "mg/ml")),
    **dict.fromkeys(("thc_low", "thc_high", "cbd_low", "cbd_high"), ("%", "fraction")),
}
_ENCODINGS = {
    "": _("detect"),
    "utf-8": "UTF-8",
    "cp1252": "Windows (cp1252)",
    "mac_roman": "Mac Roman",
    "cp850": "DOS (cp850)",
    "utf-16-le": "UTF-16",
}
_DELIMITERS = {
    "": _("detect"),
    ",": _("comma"),
    ";": _("semicolon"),
    "\t": _("tab"),
    "|": _("pipe"),
}


class FormatForm(forms.Form):
    """File format of a list; read first, since the columns depend on it."""

    sheet = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    header_row = forms.IntegerField(
        min_value=1,
        max_value=100,
        initial=1,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Row with the column names"),
    )
    encoding = forms.ChoiceField(
        required=False, choices=_ENCODINGS.items, widget=UnfoldAdminSelectWidget
    )
    delimiter = forms.ChoiceField(
        required=False, choices=_DELIMITERS.items, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, sheets: list[str], **kwargs: Any) -> None:
        """sheets: names of the workbook's sheets that may be chosen."""
        super().__init__(*args, **kwargs)
        self.set_sheets(sheets)

    def set_sheets(self, sheets: list[str]) -> None:
        """Set the names of the workbook's sheets that may be chosen."""
        choices = [("", _("first sheet")), *((name, name) for name in sheets)]
        self.fields["sheet"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField


class ColumnsForm(forms.Form):
    """Column, default and unit of each field; row id columns; meanings of unknown categories."""

    language = forms.ChoiceField(
        choices=[("en", _("English")), ("fr", _("French"))], widget=UnfoldAdminSelectWidget
    )
    price_kind = forms.ChoiceField(
        label=_("kind of prices"),
        choices=[("retail", _("retail")), ("wholesale", _("wholesale"))],
        widget=UnfoldAdminSelectWidget,
    )
    day_first = forms.BooleanField(
        required=False, label=_("dates start with the day"), widget=UnfoldBooleanSwitchWidget
    )
    id_columns = forms.MultipleChoiceField(
        required=False,
        label=_("columns that identify a row"),
        widget=UnfoldAdminSelectMultipleWidget,
        help_text=_("If none: name, brand, size and category together."),
    )

    def __init__(
        self, data: Any, *, preview: SheetPreview, mapping: dict[str, Any], content_kind: str
    ) -> None:
        """
        Add fields for each mapped field and for each unknown category of the preview.

        mapping: the saved mapping, as initial values. content_kind: "products" or "licences".
        """
        suggested = {} if mapping else _suggested_values(preview.columns, content_kind)
        super().__init__(data, initial=suggested | _initial_values(mapping))
        self.content_kind = content_kind
        self._samples = preview.rows[0].values if preview.rows else {}
        if content_kind == "licences":
            del self.fields["price_kind"]
            del self.fields["language"]
        self._add_mapping_fields(preview.columns)
        category_column = self.data.get("column-category") or mapping.get("columns", {}).get(
            "category", ""
        )
        self.unknown_categories = unknown_categories(preview.rows, category_column)
        self._add_category_fields(mapping.get("values", {}).get("category", {}))

    def _add_mapping_fields(self, columns: list[str]) -> None:
        column_choices = [(name, name) for name in columns]
        self.fields["id_columns"].choices = column_choices  # type: ignore[attr-defined]  # a MultipleChoiceField
        for field in mapping_fields(self.content_kind):
            self.fields[f"column-{field}"] = forms.ChoiceField(
                required=field == "name",
                choices=[("", "–"), *column_choices],
                widget=UnfoldAdminSelectWidget,
            )
            self.fields[f"default-{field}"] = forms.CharField(
                required=False, max_length=200, widget=UnfoldAdminTextInputWidget
            )
            if field in _UNITS:
                units = [("", _("as written")), *((unit, unit) for unit in _UNITS[field])]
                self.fields[f"unit-{field}"] = forms.ChoiceField(
                    required=False, choices=units, widget=UnfoldAdminSelectWidget
                )

    def _add_category_fields(self, initial: dict[str, str]) -> None:
        choices = [("", _("reject")), *word_choices(CATEGORIES.values())]
        for index, name in enumerate(self.unknown_categories):
            self.fields[f"category-{index}"] = forms.ChoiceField(
                required=False,
                label=name,
                choices=choices,
                widget=UnfoldAdminSelectWidget,
                initial=initial.get(name, ""),
            )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Bound fields of each mapped field, for the table of the page."""
        return [
            {
                "name": field,
                "label": field_label(field),
                "is_required": self[f"column-{field}"].field.required,
                "column": self[f"column-{field}"],
                "sample": self._samples.get(self[f"column-{field}"].value() or "", ""),
                "default": self[f"default-{field}"],
                "unit": self[f"unit-{field}"] if field in _UNITS else "",
            }
            for field in mapping_fields(self.content_kind)
        ]

    @property
    def category_fields(self) -> list[Any]:
        """Bound fields of the unknown categories."""
        return [self[f"category-{index}"] for index in range(len(self.unknown_categories))]

    def build_mapping(self, sheet_format: dict[str, Any]) -> SheetMapping:
        """Return the mapping of the chosen values and a file format; raises ValidationError."""
        cleaned = self.cleaned_data
        categories = {
            name: cleaned[f"category-{index}"] for index, name in enumerate(self.unknown_categories)
        }
        values = {}
        if categories:
            values["category"] = {name: ours for name, ours in categories.items() if ours}
        try:
            return SheetMapping(
                columns=_chosen_by_field(cleaned, "column-"),
                defaults=_chosen_by_field(cleaned, "default-"),
                units=_chosen_by_field(cleaned, "unit-"),  # type: ignore[arg-type]  # validated by the choices
                values=values,
                id_columns=tuple(cleaned["id_columns"]),
                content_kind=self.content_kind,  # type: ignore[arg-type]  # a choice of the source's row
                language=cleaned.get("language", "en"),
                price_kind=cleaned.get("price_kind", "retail"),
                day_first=cleaned["day_first"],
                **sheet_format,
            )
        except MappingError as error:
            raise ValidationError([problem["msg"] for problem in error.errors()]) from None


def _chosen_by_field(cleaned: dict[str, Any], prefix: str) -> dict[str, str]:
    """Return the chosen values of form fields with a prefix, by our field."""
    return {
        name.removeprefix(prefix): value
        for name, value in cleaned.items()
        if name.startswith(prefix) and value
    }


def _suggested_values(columns: list[str], content_kind: str) -> dict[str, str]:
    """Return the columns whose headings name a field, as initial values of the form."""
    suggested = suggest_columns(columns, mapping_fields(content_kind))
    return {f"column-{field}": column for field, column in suggested.items()}


def _initial_values(mapping: dict[str, Any]) -> dict[str, Any]:
    """Return a saved mapping as initial values of the form."""
    prefixes = {"columns": "column-", "defaults": "default-", "units": "unit-"}
    initial = {
        f"{prefix}{field}": value
        for part, prefix in prefixes.items()
        for field, value in mapping.get(part, {}).items()
    }
    for name in ("language", "price_kind", "day_first", "id_columns"):
        initial[name] = mapping.get(name)
    return initial
