"""Commands that wait for another process which is at the same work, as the clock may have begun it a moment before."""

from django.core.management.base import CommandParser
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

_SECONDS = 900


def add_wait(parser: CommandParser) -> None:
    """Declare `--wait`."""
    told = f"how long for another process that is at the same work; {_SECONDS} unless told"
    parser.add_argument("--wait", type=int, default=_SECONDS, metavar="SECONDS", help=told)


def patiently(busy: type[Exception], *, seconds: float) -> Retrying:
    """Return what calls a function again while it raises `busy`, about each second; after so many seconds it is raised."""
    return Retrying(
        retry=retry_if_exception_type(busy), wait=wait_random(0.5, 1.5), stop=stop_after_delay(seconds), reraise=True
    )
