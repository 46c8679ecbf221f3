"""
Cannabinoid amounts in a text: range, unit and bounds of the cannabinoid wanted.

The scanner cuts a text into items; here each amount gets the label beside it.
"""

import itertools
import re
from dataclasses import dataclass, replace
from decimal import Decimal

from catalog.ingest.cleaning.amount_scanner import (
    JOINING_SEPARATORS,
    Amount,
    Item,
    Scanner,
    mark_text,
)
from catalog.ingest.cleaning.numbers import read_number, tokenize
from mlops.pipelines.errors import RecordRejected

_SINGLE_AMOUNT = re.compile(r"(\d+(?:[.,]\d+)?) ?(%|mg|)")


def parse_amounts(text: str, *, field: str, language: str) -> list[Amount]:
    """
    Return the amounts of one cannabinoid in normalized text.

    field: "thc" or "cbd". An amount belongs to the label beside it; amounts of other cannabinoids
    are left out. Flags beside those of bounds: "label_apart" (words stand between amount and
    label), "unlabeled" (the text has words and no label), "per_serving", "acid_apart" (THCA or CBDA
    is stated beside it, and no total).
    Raises RecordRejected: negative, a tolerance, a sum of cannabinoids, other cannabinoids only.
    """
    if match := _SINGLE_AMOUNT.fullmatch(text):  # most columns contain nothing else
        reading = read_number(
            match[1], field=field, language=language, may_have_thousands=match[2] != "%"
        )
        return [Amount((reading.value, reading.value), match[2], reading.flags)]
    marked, labels = mark_text(text)
    scanner = Scanner(tokenize(marked), labels, field, language)
    items = list(scanner.items())
    if not labels:
        amounts = _unlabeled_amounts(items, field)
    elif field not in labels:
        raise RecordRejected(f"states {labels[0]} only", field)
    else:
        amounts = _labeled_amounts(_segments(items), field)
        if f"{field}a" in labels and f"{field} before heating" not in labels:
            amounts = [amount.flagged("acid_apart") for amount in amounts]
    amounts = _without_pieces(amounts)
    # "3 mg THC each | CBD: 1 mg": a basis stated for one cannabinoid counts for all.
    is_per_unit = scanner.has_each or (
        len(set(labels)) > 1
        and any(item.amount is not None and item.amount.unit == "mg/unit" for item in items)
    )
    if is_per_unit:
        return [replace(a, unit="mg/unit") if a.unit == "mg" else a for a in amounts]
    return amounts


def _without_pieces(amounts: list[Amount]) -> list[Amount]:
    """Leave out the amount of a piece beside that of the package: "500 mg (50 x 10 mg)"."""
    pieces = [amount for amount in amounts if amount.count and amount.unit == "mg/unit"]
    totals = [amount for amount in amounts if amount not in pieces]
    if len(pieces) != 1 or len(totals) != 1 or totals[0].unit not in ("mg", "mg/package"):
        return amounts
    piece, total = pieces[0], totals[0]
    if total.ends != piece.scaled(Decimal(piece.count or 1)).ends:
        return amounts
    return [replace(total, unit="mg/package").flagged("multipack")]


def _unlabeled_amounts(items: list[Item], field: str) -> list[Amount]:
    """Return amounts of a text without labels: a column states what they are of."""
    amounts = [item.amount for item in items if item.amount]
    if all(item.kind != "word" for item in items):
        return amounts
    amounts = [amount for amount in amounts if amount.unit]
    if amounts and field != "thc":
        raise RecordRejected(f"does not name {field.upper()}", field)
    return [amount.flagged("unlabeled") for amount in amounts]


@dataclass(slots=True)
class _Segment:
    """Items between two separators, with the separator before them."""

    separator: str
    items: list[Item]

    @property
    def labels(self) -> list[str]:
        return [item.text for item in self.items if item.kind == "label"]

    @property
    def has_amount(self) -> bool:
        return any(item.kind == "amount" for item in self.items)


def _segments(items: list[Item]) -> list[_Segment]:
    segments = [_Segment("", [])]
    for item in items:
        if item.kind == "separator":
            segments.append(_Segment(item.text, []))
        else:
            segments[-1].items.append(item)
    if not any(segment.labels and segment.has_amount for segment in segments):
        # "THC | 20 %": labels and amounts stand in segments of their own.
        return [_Segment("", [item for item in items if item.kind != "separator"])]
    return segments


def _labeled_amounts(segments: list[_Segment], field: str) -> list[Amount]:
    amounts: list[Amount] = []
    for index, segment in enumerate(segments):
        if not segment.labels:
            continue
        if not segment.has_amount:
            _check_not_shared(segments, index, field)
        elif field in segment.labels:
            amounts += _amounts_of_segment(segment.items, field)
    return amounts


def _check_not_shared(segments: list[_Segment], index: int, field: str) -> None:
    """Reject "1000 mg THC / CBD" and "THC + CBD 20 mg": one amount of two cannabinoids."""
    segment = segments[index]
    joined: list[_Segment] = []
    if index and segment.separator in JOINING_SEPARATORS and segment.items[0].kind == "label":
        joined.append(segments[index - 1])
    if index + 1 < len(segments) and segment.items[-1].kind == "label":
        following = segments[index + 1]
        if following.separator in JOINING_SEPARATORS and following.items[:1]:
            joined.append(following)
    for neighbor in joined:
        if neighbor.labels and neighbor.has_amount and field in (*neighbor.labels, *segment.labels):
            raise RecordRejected("is one amount of several cannabinoids", field)


def _amounts_of_segment(items: list[Item], field: str) -> list[Amount]:
    positions = [index for index, item in enumerate(items) if item.kind in ("label", "amount")]
    kinds = [items[index].kind for index in positions]
    labels_precede = kinds[0] == "label"
    if kinds.count("label") > 1:
        has_pair = any(a == b == "label" for a, b in itertools.pairwise(kinds))
        if has_pair or kinds[-1] == kinds[0]:
            raise RecordRejected("does not state which amount is of which cannabinoid", field)
    amounts: list[Amount] = []
    for index in positions:
        amount = items[index].amount
        if amount is None:
            continue
        label_at = _label_position(items, index, precedes=labels_precede)
        if items[label_at].text != field:
            continue
        between = items[min(index, label_at) + 1 : max(index, label_at)]
        if any(item.kind == "word" for item in between):
            amount = amount.flagged("label_apart") if amount.unit else None
        if amount:
            amounts.append(amount)
    return amounts


def _label_position(items: list[Item], index: int, *, precedes: bool) -> int:
    before = [at for at in range(index) if items[at].kind == "label"]
    after = [at for at in range(index + 1, len(items)) if items[at].kind == "label"]
    nearest = before[-1:] or after[:1] if precedes else after[:1] or before[-1:]
    return nearest[0]
