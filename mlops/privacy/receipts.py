"""Receipts of erasures: the names of their counts, and the counts by what became of the items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops.models import Erasure

_MENTIONS = ": mentions"
_RETAINED = ", retained: "


@dataclass(frozen=True, slots=True)
class ReceiptCounts:
    """Counts of a receipt by table or server, without the reasons and the sealed identifiers."""

    deleted: dict[str, int]
    redacted: dict[str, int]
    retained: dict[str, int]
    remaining: dict[str, int]


def mentions_name(table: str) -> str:
    """Return the name of the count of texts of a table that mention the person."""
    return f"{table}{_MENTIONS}"


def retained_name(name: str, reason: str) -> str:
    """Return the name of the count of items that are retained for a reason."""
    return f"{name}{_RETAINED}{reason}"


def receipt_counts(receipt: "Erasure") -> ReceiptCounts:
    """Return the counts of a receipt."""
    erased: Mapping[str, Any] = receipt.deleted
    return ReceiptCounts(
        deleted=_by_table(
            {
                name: count
                for name, count in erased.items()
                if _RETAINED not in name and not name.endswith(_MENTIONS)
            }
        ),
        redacted=_by_table({name: count for name, count in erased.items() if _MENTIONS in name}),
        retained=_by_table({name: count for name, count in erased.items() if _RETAINED in name}),
        remaining=_by_table(
            {name: count for name, count in receipt.remaining.items() if isinstance(count, int)}
        ),
    )


def _by_table(counts: Mapping[str, int]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for name, count in counts.items():
        table = name.partition(_RETAINED)[0].removesuffix(_MENTIONS).replace(" ", "_")
        summed[table] = summed.get(table, 0) + count
    return summed
