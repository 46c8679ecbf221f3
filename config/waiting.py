"""Commands that wait while another process does the same work, such as a scheduled task."""

from collections.abc import Callable

from django.core.management.base import CommandParser
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random,
)

_DEFAULT_WAIT_SECONDS = 900


def add_wait_option(parser: CommandParser) -> None:
    """Add the option `--wait`."""
    parser.add_argument(
        "--wait",
        type=int,
        default=_DEFAULT_WAIT_SECONDS,
        metavar="SECONDS",
        help="how long to wait for another process that does the same work "
        f"(default {_DEFAULT_WAIT_SECONDS})",
    )


def retry_while_busy(
    busy: type[Exception], *, max_seconds: float, report: Callable[[str], object]
) -> Retrying:
    """
    Return a Retrying that calls a function about every second while it raises `busy`.

    After `max_seconds` the error is raised. report: is called once with the error before waiting.
    """

    def report_first(state: RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome:
            report(f"{state.outcome.exception()} Waiting for it ...")

    return Retrying(
        retry=retry_if_exception_type(busy),
        wait=wait_random(0.5, 1.5),
        stop=stop_after_delay(max_seconds),
        before_sleep=report_first,
        reraise=True,
    )
