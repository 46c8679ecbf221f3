"""Repeated records of a run: decided over the whole feed, applied bundle by bundle."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from mlops.models import RepeatedRecord, Run
from mlops.pipelines.definitions import Pipeline, RepeatAction, RepeatDecision

_ROWS_PER_INSERT = 5_000
_ACTIONS: dict[str, RepeatAction] = {
    "repeated": "repeated",
    "rejected": "rejected",
    "combined": "combined",
}
Decisions = Mapping[int, RepeatDecision]
"""Decisions of a bundle by position."""


class FeedRecords:
    """All records of a feed, in order; each iteration parses the bundles again, one at a time."""

    def __init__(self, parsers: Mapping[str, Callable[[], Iterable[Any]]]) -> None:
        """parsers: by bundle, what yields its records."""
        self._parsers = parsers
        self._bundles: list[str] = []
        self._starts: list[int] = []

    def __iter__(self) -> Iterator[Any]:
        """Yield every record."""
        self._bundles = []
        self._starts = []
        index = 0
        for bundle, parse in self._parsers.items():
            self._bundles.append(bundle)
            self._starts.append(index)
            for record in parse():
                index += 1
                yield record

    def locate(self, index: int) -> tuple[str, int]:
        """Return bundle and position of a record that has been yielded, by its index."""
        at = bisect_right(self._starts, index) - 1
        return self._bundles[at], index - self._starts[at]


def save_repeats(pipeline: Pipeline, run: Run, records: FeedRecords) -> None:
    """Find the repeated records of a run and store what becomes of them. Safe to repeat."""
    run.repeated_records.all().delete()
    decisions = iter(pipeline.repeats(records=records))
    while chunk := list(islice(decisions, _ROWS_PER_INSERT)):
        RepeatedRecord.objects.bulk_create([_row(run, decision, records) for decision in chunk])


def delete_earlier_repeats(run: Run) -> None:
    """Delete the repeated records of earlier runs of the same source."""
    RepeatedRecord.objects.filter(run__source=run.source).exclude(run=run).delete()


def repeats_of_bundle(run: Run, bundle: str) -> dict[int, RepeatDecision]:
    """Return the stored decisions of a bundle by position."""
    return {
        row.position: RepeatDecision(
            index=row.position,
            action=_ACTIONS[row.action],
            reason=row.reason,
            flags=tuple(row.flags),
            payloads=tuple(row.payloads),
        )
        for row in run.repeated_records.filter(bundle=bundle)
    }


def _row(run: Run, decision: RepeatDecision, records: FeedRecords) -> RepeatedRecord:
    bundle, position = records.locate(decision.index)
    return RepeatedRecord(
        run=run,
        bundle=bundle,
        position=position,
        action=decision.action,
        reason=decision.reason,
        flags=list(decision.flags),
        payloads=list(decision.payloads),
    )
