"""Status page of the console: servers and services by group; applications register theirs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.observability import health, workers

PERMISSION = "mlops.view_alert"
"""Permission to open the page; groups have their own besides."""


class State(IntEnum):
    """State of a component, the worst first."""

    FAILED = 0
    WARNING = 1
    OK = 2
    UNUSED = 3

    @property
    def label(self) -> Any:
        """Name in the language of the user."""
        return _LABELS[self]


_LABELS = {
    State.FAILED: gettext_lazy("failed"),
    State.WARNING: gettext_lazy("warning"),
    State.OK: gettext_lazy("OK"),
    State.UNUSED: gettext_lazy("not used"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """
    State of a component.

    since: beginning of the state, or time of the newest sign of it; None if unknown. advice: what a
    person can do; empty where nothing needs to be done.
    """

    title: Any
    state: State
    since: datetime | None = None
    detail: Any = ""
    advice: Any = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    title: Any
    permission: str
    find: Callable[[], Iterable[Status]]


_groups: list[_Group] = []
Find = Callable[[], Iterable[Status]]


def register(title: Any, permission: str) -> Callable[[Find], Find]:
    """Register a function that returns a group of components, for users with a permission."""

    def decorate(find: Find) -> Find:
        _groups.append(_Group(title=title, permission=permission, find=find))
        return find

    return decorate


def status_groups(user: Any) -> list[tuple[Any, list[Status]]]:
    """Return title and components of the groups that a user may see, the worst first."""
    return [
        (group.title, sorted(group.find(), key=lambda status: status.state))
        for group in _groups
        if user.has_perm(group.permission)
    ]


def status_page(request: HttpRequest) -> HttpResponse:
    """Show the state of servers, services, sources and models, with advice."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": _("Status"),
        "groups": status_groups(request.user),
    }
    return TemplateResponse(request, "admin/status.html", context)


_SERVERS = {
    "database": (
        gettext_lazy("Database (PostgreSQL)"),
        gettext_lazy("Nothing works without it. Check its address, disk space and log."),
    ),
    "cache": (
        gettext_lazy("Cache and task queue (Redis)"),
        gettext_lazy("Pages are slower and background tasks wait. Check its address and memory."),
    ),
    "vectors": (
        gettext_lazy("Vector store (Milvus)"),
        gettext_lazy("Search and recommendations are degraded. Start it; indexes are kept."),
    ),
    "models": (
        gettext_lazy("Model files"),
        gettext_lazy("Searches are by words alone. Run `manage.py fetch_models`."),
    ),
    "objects": (
        gettext_lazy("File storage"),
        gettext_lazy("Imports and models cannot be read. Check address, credentials and space."),
    ),
}


@register(gettext_lazy("Servers"), PERMISSION)
def servers() -> Iterable[Status]:
    """Yield servers and models, as the deep health check looks at them."""
    for component in health.check_components():
        title, advice = _SERVERS.get(component.name, (component.name, ""))
        yield Status(
            title=title,
            state=State.OK if component.is_available else State.FAILED,
            since=component.since,
            detail=component.error,
            advice="" if component.is_available else advice,
        )


@register(gettext_lazy("Background tasks"), PERMISSION)
def background_tasks() -> Iterable[Status]:
    """Yield the workers that respond, and the scheduler."""
    count = workers.count_workers()
    yield Status(
        title=gettext_lazy("Workers"),
        state=State.OK if count else State.FAILED,
        detail=_("%(count)s respond") % {"count": count},
        advice="" if count else _("Imports, crawls and training wait. Start a Celery worker."),
    )
    last = workers.last_scheduled_at()
    is_on_time = workers.is_on_time(last)
    yield Status(
        title=gettext_lazy("Scheduler"),
        state=State.OK if is_on_time else State.FAILED,
        since=last,
        detail=_("last started a task"),
        advice="" if is_on_time else _("No scheduled task runs. Start Celery beat."),
    )
