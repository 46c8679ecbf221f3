"""Work that waits for staff, which the console's home page ranks; applications register theirs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

_NEVER = datetime.max.replace(tzinfo=UTC)


class Urgency(IntEnum):
    """Rank of what is at stake; lower numbers come first."""

    CRITICAL = 0
    WARNING = 1
    ROUTINE = 2

    @property
    def label(self) -> Any:
        """Name in the language of the user."""
        return _LABELS[self]


_LABELS = {
    Urgency.CRITICAL: _("critical"),
    Urgency.WARNING: _("warning"),
    Urgency.ROUTINE: _("to do"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """
    Rows of one kind that wait for a person.

    oldest_at: since when the oldest waits; None if unknown. url: of the page that lists them.
    by_assignee: number by the id of the user in charge, None: no one; empty where rows are not
    assignable. assignee_urls: pages that list the rows of the user ("me") and unassigned ones
    ("none"). mine, unassigned: the numbers of both, which `work_list` fills in.
    """

    title: Any
    count: int
    oldest_at: datetime | None
    url: str
    urgency: Urgency = Urgency.ROUTINE
    by_assignee: Mapping[int | None, int] = field(default_factory=dict)
    assignee_urls: Mapping[str, str] = field(default_factory=dict)
    mine: int = 0
    unassigned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _WorkSource:
    permission: str
    find: Callable[[], Iterable[WorkItem]]


_sources: list[_WorkSource] = []


def register(
    permission: str,
) -> Callable[[Callable[[], Iterable[WorkItem]]], Callable[[], Iterable[WorkItem]]]:
    """Register a function that returns work items for users with a permission; a decorator."""

    def decorate(find: Callable[[], Iterable[WorkItem]]) -> Callable[[], Iterable[WorkItem]]:
        _sources.append(_WorkSource(permission=permission, find=find))
        return find

    return decorate


def work_list(user: Any) -> list[WorkItem]:
    """Return the items with a count that a user may see, most urgent first, then oldest first."""
    items = [
        replace(
            item,
            mine=item.by_assignee.get(user.pk, 0),
            unassigned=item.by_assignee.get(None, 0),
        )
        for source in _sources
        if user.has_perm(source.permission)
        for item in source.find()
        if item.count
    ]
    return sorted(items, key=lambda item: (item.urgency, item.oldest_at or _NEVER))
