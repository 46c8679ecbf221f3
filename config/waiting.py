"""Commands that wait for another process which is at the same work, as the clock may have begun it a moment before."""

from collections.abc import Callable

from django.core.management.base import CommandParser
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random,
)

_SECONDS = 900


def add_wait(parser: CommandParser) -> None:
    """Declare `--wait`."""
    told = f"how long for another process that is at the same work; {_SECONDS} unless told"
    parser.add_argument("--wait", type=int, default=_SECONDS, metavar="SECONDS", help=told)


def patiently(busy: type[Exception], *, seconds: float, say: Callable[[str], object]) -> Retrying:
    """
    Return what calls a function again while it raises `busy`, about each second; after so many seconds it is raised.

    say: told once that it waits, and for what.
    """

    def tell(state: RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome:
            say(f"{state.outcome.exception()} Waiting for it ...")

    return Retrying(
        retry=retry_if_exception_type(busy),
        wait=wait_random(0.5, 1.5),
        stop=stop_after_delay(seconds),
        before_sleep=tell,
        reraise=True,
    )
