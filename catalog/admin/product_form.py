"""Form of a product: fields that staff may correct, and what others changed meanwhile."""

from collections.abc import Mapping
from typing import Any, get_args

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from catalog.ingest.records import PotencyUnit
from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.reference.field_labels import FIELD_LABELS
from catalog.reference.word_labels import word_choices
from catalog.selectors.product_fields import field_text
from catalog.services.corrections import (
    check_identifiers,
    terpene_warnings,
    validate_corrections,
)
from config.errors import BadInput

_UNKNOWN = ("", "–")
_CHOICES: Mapping[str, list[str]] = {
    "category": sorted(set(CATEGORIES.values())),
    "strain_type": sorted(set(STRAIN_TYPES.values())),
    "mg_basis": [unit for unit in get_args(PotencyUnit) if unit != "percent"],
}
# Lists, which the console would show as text areas.
_ONE_LINE = ("lineage", "terpenes", "effects")


class ProductForm(forms.ModelForm):
    """
    The fields that staff may correct, with a reason and a review date.

    The page carries each field's value as it was opened. Only fields that the user changed are
    saved, and one that has been changed in between is refused with the other value.
    """

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Shown in the history of the product."),
    )
    review_by = forms.DateField(
        label=_("Review date"),
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text=_("Optional: when the correction should be reviewed."),
    )

    keep_unknown_terpenes = forms.BooleanField(
        label=_("Keep unknown terpenes"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Save terpenes that the table of terpenes does not contain."),
    )

    class Meta:
        model = Product
        fields = CORRECTABLE_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, words in _CHOICES.items():
            self._offer_choices(name, words)
        for name in _ONE_LINE:
            if name in self.fields:
                self.fields[name].widget = UnfoldAdminTextInputWidget()
        for name, label in FIELD_LABELS.items():
            if name in self.fields:
                self.fields[name].label = label
        for name in CORRECTABLE_FIELDS:
            if name in self.fields and self.instance.pk:
                is_carried = not self.is_bound or self.add_initial_prefix(name) in self.data
                self.fields[name].show_hidden_initial = is_carried

    def clean(self) -> dict[str, Any]:
        """Validate the changed values."""
        cleaned: dict[str, Any] = super().clean() or {}
        changed = {
            name: cleaned[name]
            for name in CORRECTABLE_FIELDS
            if name in self.changed_data and name in cleaned
        }
        for name in [*changed]:
            if self._is_changed_by_others(name):
                self._report_other_change(name)
                del changed[name]
        try:
            validated = validate_corrections(changed)
            product_ids = [self.instance.pk] if self.instance.pk else []
            check_identifiers(validated, product_ids=product_ids)
        except BadInput as error:
            self.add_error(error.field if error.field in self.fields else None, error.reason)
        else:
            cleaned |= validated
        if changed.get("terpenes") and not cleaned.get("keep_unknown_terpenes"):
            for warning in terpene_warnings(cleaned["terpenes"]):
                self.add_error("terpenes", warning)
        return cleaned

    def corrections(self) -> dict[str, Any]:
        """Return the changed values by field."""
        return {
            name: self.cleaned_data[name]
            for name in CORRECTABLE_FIELDS
            if name in self.changed_data
        }

    def _offer_choices(self, name: str, words: list[str]) -> None:
        """Offer the words of a field, and the value it has although it is none of them."""
        if name not in self.fields:
            return
        current = getattr(self.instance, name) or ""
        known = words if not current or current in words else [*words, current]
        field = self.fields[name]
        field.widget = UnfoldAdminSelectWidget(choices=[_UNKNOWN, *word_choices(known)])

    def _is_changed_by_others(self, name: str) -> bool:
        """Return whether a field is stored with another value than the page was opened with."""
        field = self.fields[name]
        if not field.show_hidden_initial:
            return False
        opened = self.data.get(self.add_initial_prefix(name))
        return field.has_changed(getattr(self.instance, name), opened)

    def _report_other_change(self, name: str) -> None:
        """Refuse a field; the page then carries the stored value, so that saving again is meant."""
        stored = getattr(self.instance, name)
        message = _("was changed to “%(value)s” while you edited; save again to replace that")
        self.add_error(
            name, forms.ValidationError(message, params={"value": field_text(stored) or "–"})
        )
        posted: Any = self.data
        posted = posted.copy()
        posted[self.add_initial_prefix(name)] = self.fields[name].prepare_value(stored) or ""
        self.data = posted
