"""
Judgment of the cleaning rules by labeled strings of suppliers.

`python -m tests.samples.normalizer` prints shares by draw and kind, and every string that is read
differently from its label. The notation of labels stands in README.md.
"""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from catalog.ingest.cleaning.strings import CleanedString, clean_string

LABELS = Path(__file__).with_name("labels.csv")
Verdict = Literal["right", "open", "flagged", "wrong"]
"""open: refused although a value is stated; flagged or wrong: another value, with a flag or not."""
_NUMBER = r"\d+(?:\.\d+)?"
_AMOUNT = re.compile(
    rf"(?P<low>{_NUMBER})(?:(?P<more>\+)|\.\.(?P<high>{_NUMBER}))?(?P<unit>[a-z%/]+)"
)
_SIZE = re.compile(r"(?:(?P<amount>[\d.]+)(?P<unit>g|ml))?(?: ?x(?P<count>\d+))?")


@dataclass(frozen=True, slots=True)
class LabeledString:
    """A string of a supplier with what a careful person reads in it."""

    draw: str
    kind: str
    source: str
    language: str
    context: Mapping[str, str]
    raw: str
    expected: str

    def clean(self) -> CleanedString:
        """Apply the cleaning rules."""
        return clean_string(
            kind=self.kind, raw=self.raw, language=self.language, context=self.context
        )

    def judge(self, cleaned: CleanedString) -> Verdict:
        """Compare what was read with the label."""
        has_value = cleaned.result is not None
        if has_value and self._is_expected(cleaned.result):
            return "right"
        if has_value and not cleaned.flags:
            return "wrong"
        if self.expected == "-":
            return "flagged" if has_value else "right"
        if self.expected == "?" or (self.expected.startswith("?") and not has_value):
            return "right"
        return "flagged" if has_value else "open"

    def _is_expected(self, result: Any) -> bool:
        if self.expected in ("-", "?"):
            return False
        texts = self.expected.removeprefix("?").split(" || ")
        if self.kind == "name":
            return any(self._is_name(text, result) for text in texts)
        return any(_is_value(self.kind, text.strip(), result) for text in texts)

    def _is_name(self, text: str, result: Mapping[str, Any]) -> bool:
        """Compare "Name", or "Brand :: Name" where the source states no brand."""
        brand, _, name = text.rpartition(" :: ")
        has_brand = bool(self.context["brand"]) or result["brand"] == (brand or None)
        return has_brand and bool(result["name"] == name)


def read_labels() -> list[LabeledString]:
    """Return the labeled strings in the order of the file."""
    with LABELS.open(encoding="utf-8", newline="") as file:
        return [
            LabeledString(
                draw=row["draw"],
                kind=row["kind"],
                source=row["source"],
                language=row["language"],
                context={name: row[name] for name in ("category", "column", "brand")},
                raw=row["raw"],
                expected=row["expected"],
            )
            for row in csv.DictReader(file)
        ]


def _is_value(kind: str, text: str, result: Any) -> bool:
    match kind:
        case "thc" | "cbd":
            return _is_potency(text, result)
        case "weight":
            return _is_size(text, result)
        case "price":
            return bool(result == float(text))
        case "stock":
            return bool(result == json.loads(text))
    return bool(result == text)


def _is_potency(text: str, result: Mapping[str, Any]) -> bool:
    """Compare "20..25%", "38+%", "100mg" (of the package or of no stated basis), "5mg/ml"."""
    match = _AMOUNT.fullmatch(text)
    assert match, text
    low = float(match["low"])
    high = None if match["more"] else float(match["high"] or match["low"])
    if match["unit"] == "%":
        return (result["min"], result["max"]) == (low, high)
    amount = low if low == high else [low, high]
    _, _, per = match["unit"].partition("/")
    bases = (per,) if per else (None, "package")
    return bool(result["mg"] == amount) and result["per"] in bases


def _is_size(text: str, result: Mapping[str, Any]) -> bool:
    """Compare "3.5g", "355ml", "2.5g x5", "x30"."""
    match = _SIZE.fullmatch(text)
    assert match, text
    amount = float(match["amount"]) if match["amount"] else None
    count = int(match["count"]) if match["count"] else None
    unit = match["unit"]
    return (
        result.get("grams") == (amount if unit == "g" else None)
        and result.get("milliliters") == (amount if unit == "ml" else None)
        and result["unit_count"] == count
    )
