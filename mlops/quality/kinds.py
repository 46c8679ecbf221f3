"""Kinds of alerts: title and advice by code. Applications register theirs in `alert_kinds.py`."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from config.declarations import DeclarationRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertKind:
    """
    A kind of incident. advice: what a person should do first.

    title, advice: translated when they are shown.
    """

    code: str
    title: Any
    advice: Any


ALERT_KINDS = DeclarationRegistry[str, AlertKind]("alert_kinds", name_of=attrgetter("code"))


def register(code: str, title: Any, advice: Any) -> None:
    """Register the kind of alerts with a code."""
    ALERT_KINDS.register(AlertKind(code=code, title=title, advice=advice))


def find_kind(code: str) -> AlertKind:
    """Return the kind of a code; an unknown one has the code as its title, and no advice."""
    return ALERT_KINDS.by_name().get(code) or AlertKind(code=code, title=code, advice="")
