"""Polling for conditions that other processes or threads bring about."""

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object], seconds: float = 300, *, every: float = 0.1
) -> float:
    """
    Poll the condition every `every` seconds until it is true; return the seconds it took.

    Raises TimeoutError when a check that started after `seconds` is still false: a slow check
    uses up no time of the condition.
    """
    started_at = time.monotonic()
    while True:
        checked_after = time.monotonic() - started_at
        if condition():
            return time.monotonic() - started_at
        if checked_after > seconds:
            raise TimeoutError(f"condition not met after {checked_after:.1f} seconds")
        time.sleep(every)
