"""Reasons of an estimate: contributions of the model's features, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.utils.translation import gettext as _

from competitors.pricing.items import Items
from competitors.pricing.model import FEATURES, PriceModel

MAX_REASONS = 5
_MIN_PERCENT = 1
_CODE_BY_FEATURE = {
    "category": "category",
    "log_quantity": "size",
    "weight_grams": "size",
    "volume_ml": "size",
    "unit_count": "size",
    "thc": "potency",
    "cbd": "potency",
    "thc_mg": "potency",
    "strain_type": "strain_type",
    "province": "province",
    "season_sine": "season",
    "season_cosine": "season",
    "brand_level": "brand",
    "competitor_level": "shop",
    "name_level": "name",
    "competitors_price": "competitors",
    "competitors_gap": "competitors",
}
_TERPENES = "terpenes"
_UNIT_SIGNS = {"gram": "g", "milliliter": "ml", "piece": "×", "package": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReason:
    """
    A reason of an estimate.

    code: "competitors_start" or "typical_start", where the estimate starts, with amount (dollars a
    package); else a group of features with the percent by which it moves the estimate. value: the
    attribute as text.
    """

    code: str
    percent: float | None = None
    amount: float | None = None
    value: str = ""

    def explain(self) -> str:
        """Return the reason in words, in the current language."""
        if self.code == "competitors_start":
            return _("Other competitors ask %(amount)s for this product (median, without tax).") % {
                "amount": f"${self.amount:.2f}"
            }
        if self.code == "typical_start":
            return _("Products of this category cost %(amount)s in this size (median).") % {
                "amount": f"${self.amount:.2f}"
            }
        percent = self.percent or 0.0
        text = (
            _("%(subject)s raises the estimate by %(percent)s %%.")
            if percent > 0
            else _("%(subject)s lowers the estimate by %(percent)s %%.")
        )
        return text % {"subject": self._subject(), "percent": f"{abs(percent):.0f}"}

    def _subject(self) -> str:
        subjects: Mapping[str, str] = {
            "category": _("The category"),
            "size": _("The package size (%(value)s)"),
            "potency": _("The potency (%(value)s)"),
            "strain_type": _("The strain type (%(value)s)"),
            "terpenes": _("The list of terpenes"),
            "province": _("The province (%(value)s)"),
            "season": _("The season"),
            "brand": _("The brand (%(value)s)"),
            "shop": _("The kind of shop"),
            "name": _("The wording of the name"),
            "competitors": _("The price of other competitors beside the product's attributes"),
        }
        return subjects[self.code] % {"value": self.value}


def explain_estimates(model: PriceModel, items: Items) -> list[tuple[PriceReason, ...]]:
    """
    Return the reasons of each item's estimate, the starting point first, then the strongest.

    Contributions of less than one percent are left out, as is what all items have in common.
    """
    contributions = model.contributions(items)
    starts = np.exp(model.bases(items)) * items.quantity
    uses_competitors = model.uses_competitors(items)
    return [
        (
            PriceReason(
                code="competitors_start" if uses_competitors[row] else "typical_start",
                amount=round(float(starts[row]), 2),
            ),
            *_strongest(contributions[row], items, row),
        )
        for row in range(len(items))
    ]


def _strongest(contributions: Sequence[float], items: Items, row: int) -> list[PriceReason]:
    sums: dict[str, float] = {}
    for feature, contribution in zip(FEATURES, contributions, strict=False):
        code = _CODE_BY_FEATURE.get(feature, _TERPENES)
        sums[code] = sums.get(code, 0.0) + float(contribution)
    reasons = [
        PriceReason(
            code=code,
            percent=round(100 * float(np.expm1(total)), 1),
            value=_value(code, items, row),
        )
        for code, total in sums.items()
    ]
    reasons = [reason for reason in reasons if abs(reason.percent or 0) >= _MIN_PERCENT]
    reasons.sort(key=lambda reason: (-abs(np.log1p((reason.percent or 0) / 100)), reason.code))
    return reasons[:MAX_REASONS]


def _value(code: str, items: Items, row: int) -> str:
    if code == "size":
        return f"{items.quantity[row]:g} {_UNIT_SIGNS[items.unit[row]]}".strip()
    if code == "potency":
        parts = [
            f"{name} {values[row]:g} {unit}"
            for name, values, unit in (
                ("THC", items.thc, "%"),
                ("CBD", items.cbd, "%"),
                ("THC", items.thc_mg, "mg"),
            )
            if np.isfinite(values[row])
        ]
        return ", ".join(parts) or "–"
    texts = {
        "strain_type": items.strain_type,
        "province": items.province,
        "brand": items.brand,
    }
    return texts[code][row] or "–" if code in texts else ""
