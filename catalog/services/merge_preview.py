"""Preview of a merge: both products side by side, the resulting values, and what differs."""

from dataclasses import dataclass

from django.db import transaction

from catalog.models import Product
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.reference.field_labels import field_label
from catalog.selectors.product_fields import field_text
from catalog.selectors.products import get_product
from catalog.services.duplicates import default_survivor, merge_pair

_FIELDS = (*CORRECTABLE_FIELDS, "source")
_IDENTITY_FIELDS = ("category", "mg_basis", "weight_grams", "volume_ml", "thc_mg", "cbd_mg")
"""Fields that are equal in two records of one product, where both state them."""
_ALTERNATIVE_UNITS = (
    ("weight_grams", "volume_ml"),
    ("thc_percentage", "thc_mg"),
    ("cbd_percentage", "cbd_mg"),
)
"""Pairs of fields that state one fact in different units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPreview:
    """
    One field of two products and its value after the merge, as text.

    values: of the first and second product. results: when the first or the second one survives.
    is_conflict: the two values cannot be those of one product.
    """

    name: str
    label: str
    values: tuple[str, str]
    results: tuple[str, str]
    is_conflict: bool

    @property
    def differs(self) -> bool:
        """Whether the two products have different values."""
        return self.values[0] != self.values[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePreview:
    """A merge that has not been made. survivor: the product that survives unless staff choose."""

    products: tuple[Product, Product]
    survivor: Product
    fields: list[FieldPreview]

    @property
    def conflicts(self) -> list[FieldPreview]:
        """The fields whose values cannot be those of one product."""
        return [field for field in self.fields if field.is_conflict]


def preview_merge(*, left: Product, right: Product) -> MergePreview:
    """
    Return what a merge of two products would give, with either as the survivor.

    Each merge is made in a transaction that is rolled back. Raises MergeRefused.
    """
    products = (left, right)
    results = [_merged_product(left, right, survivor=product) for product in products]
    conflicts = find_conflicts(left, right)
    fields = [
        FieldPreview(
            name=name,
            label=field_label(name),
            values=(field_text(getattr(left, name)), field_text(getattr(right, name))),
            results=(field_text(getattr(results[0], name)), field_text(getattr(results[1], name))),
            is_conflict=name in conflicts,
        )
        for name in _FIELDS
    ]
    return MergePreview(products=products, survivor=default_survivor(products), fields=fields)


def find_conflicts(left: Product, right: Product) -> set[str]:
    """Return the fields of category, unit and size by which two products are not the same."""
    conflicts = {
        name
        for name in _IDENTITY_FIELDS
        if None not in (getattr(left, name), getattr(right, name))
        and getattr(left, name) != getattr(right, name)
    }
    for pair in _ALTERNATIVE_UNITS:
        stated = [
            {name for name in pair if getattr(product, name) is not None}
            for product in (left, right)
        ]
        if all(stated) and not stated[0] & stated[1]:
            conflicts.update(pair)
    has_sizes = all(product.weight_grams or product.volume_ml for product in (left, right))
    if has_sizes and (left.unit_count or 1) != (right.unit_count or 1):
        conflicts.add("unit_count")
    return conflicts


def _merged_product(left: Product, right: Product, *, survivor: Product) -> Product:
    with transaction.atomic():
        merge_pair(left=left, right=right, by=None, survivor=survivor)
        merged = get_product(survivor.pk)
        transaction.set_rollback(True)
    return merged
