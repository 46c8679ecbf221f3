"""First steps of a new installation on the home page; applications register theirs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStep:
    """
    A step for users with a permission.

    rank: steps are shown in this order. is_required: the guide is shown until these are done.
    """

    rank: int
    title: Any
    text: Any
    permission: str
    url: Callable[[], str]
    is_done: Callable[[], bool]
    is_required: bool = True


_steps: list[FirstStep] = []


def register(step: FirstStep) -> None:
    """Show a step in the guide."""
    _steps.append(step)


def first_steps(user: Any) -> list[dict[str, Any]]:
    """Return title, text, address and state of the user's steps; empty once they are done."""
    steps = sorted(_steps, key=lambda step: step.rank)
    visible = [(step, step.is_done()) for step in steps if user.has_perm(step.permission)]
    if not any(step.is_required and not is_done for step, is_done in visible):
        return []
    return [
        {"title": step.title, "text": step.text, "url": step.url(), "is_done": is_done}
        for step, is_done in visible
    ]
