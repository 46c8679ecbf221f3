"""Task tray: background work that every page of the console shows; applications register theirs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils import timezone

RECENT = timedelta(minutes=15)
"""How long work is shown after its end."""
MAX_TASKS = 20
"""Tasks of one kind at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrayTask:
    """
    One piece of background work.

    title, state: in the language of the user. url: of the page that shows more. done, total: its
    progress; total is None where it is unknown. finished_at: None while it is running.
    """

    title: str
    state: str
    url: str
    started_at: datetime
    finished_at: datetime | None = None
    has_failed: bool = False
    done: int = 0
    total: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether the work goes on, or waits for a worker."""
        return self.finished_at is None

    def as_json(self) -> dict[str, Any]:
        """Return the task as the script of the tray reads it."""
        return {
            "title": self.title,
            "state": self.state,
            "url": self.url,
            "is_running": self.is_running,
            "has_failed": self.has_failed,
            "done": self.done,
            "total": self.total,
        }


FindTasks = Callable[[Any, datetime], Iterable[TrayTask]]
"""Returns the work that is running, or ended after a time; arguments: user, time."""
_sources: list[tuple[str, FindTasks]] = []


def register(permission: str) -> Callable[[FindTasks], FindTasks]:
    """Register a function that returns work for users with a permission; a decorator."""

    def decorate(find: FindTasks) -> FindTasks:
        _sources.append((permission, find))
        return find

    return decorate


def tray_tasks(user: Any, *, now: datetime) -> list[TrayTask]:
    """Return the work that a user may see: running first, then the newest."""
    since = now - RECENT
    tasks = [
        task
        for permission, find in _sources
        if user.has_perm(permission)
        for task in find(user, since)
    ]
    newest_first = sorted(tasks, key=lambda task: task.started_at, reverse=True)
    return sorted(newest_first, key=lambda task: not task.is_running)


def tray_view(request: HttpRequest) -> JsonResponse:
    """Return the work of the user as JSON; the page asks again while something is running."""
    request.session.is_background_request = True  # type: ignore[attr-defined]
    tasks = tray_tasks(request.user, now=timezone.now())
    content = {
        "running": sum(task.is_running for task in tasks),
        "tasks": [task.as_json() for task in tasks],
    }
    return JsonResponse(content)
