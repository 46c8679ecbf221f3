"""Sessions of the console, in the database, by user."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

from config.models import ConsoleSession

STARTED_AT = "started_at"
BROWSER = "browser"
_BROWSER_LENGTH = 200


class SessionStore(DatabaseStore):
    """Sessions that know their user."""

    is_background_request = False
    """Whether the request is one of polling, which does not prolong the session."""

    @classmethod
    def get_model_class(cls) -> type[ConsoleSession]:
        """Return the model of the sessions."""
        return ConsoleSession

    def save(self, must_create: bool = False) -> None:
        """Save the session, and with it the time of the last request, unless a page polls."""
        if self.is_background_request and not self.modified and not must_create:
            return
        super().save(must_create)

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """Return the row of a session, with the number of its user."""
        row: Any = super().create_model_instance(data)
        row.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session as its user sees it; `handle` names it without being its key."""

    handle: str
    browser: str
    started_at: datetime | None
    last_seen_at: datetime
    is_current: bool


def describe_login(session: Any, *, browser: str) -> None:
    """Note in a session when it began, and in which browser."""
    session[STARTED_AT] = timezone.now().timestamp()
    session[BROWSER] = browser[:_BROWSER_LENGTH]


def started_at(session: Any) -> datetime | None:
    """Return when the user logged in; None for a session that does not know."""
    seconds = session.get(STARTED_AT)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def is_too_old(session: Any) -> bool:
    """Return whether a session has reached the limit that requests do not extend."""
    began = started_at(session)
    limit = timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS)
    return began is not None and timezone.now() - began > limit


def open_sessions(user_id: int, *, current_key: str | None) -> list[OpenSession]:
    """Return a user's sessions, the one last seen first."""
    idle = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    found = []
    for row in _rows(user_id).order_by("-expire_date"):
        data = row.get_decoded()
        found.append(
            OpenSession(
                handle=_handle(row.session_key),
                browser=str(data.get(BROWSER, "")),
                started_at=started_at(data),
                last_seen_at=row.expire_date - idle,
                is_current=row.session_key == current_key,
            )
        )
    return [session for session in found if session.started_at is None or not _is_over(session)]


def end_sessions(user_id: int, *, handle: str = "", but: str | None = None) -> int:
    """
    End a user's sessions and return how many.

    handle: only the one with this handle. but: key of a session that stays.
    """
    keys = [
        row.session_key
        for row in _rows(user_id)
        if row.session_key != but and handle in ("", _handle(row.session_key))
    ]
    ConsoleSession.objects.filter(session_key__in=keys).delete()
    return len(keys)


def _rows(user_id: int) -> Any:
    return ConsoleSession.objects.filter(user_id=user_id, expire_date__gt=timezone.now())


def _is_over(session: OpenSession) -> bool:
    limit = timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS)
    return session.started_at is not None and timezone.now() - session.started_at > limit


def _handle(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
