"""Waiting for what comes to be in its own time."""

import time
from collections.abc import Callable


def wait_until(is_so: Callable[[], object], seconds: float = 300, *, every: float = 0.1) -> float:
    """
    Look every so many seconds until it is so; return how long it took.

    Raises TimeoutError when a look that was begun after `seconds` tells that it is not: however slow looking is, it is
    what it looks at that has so much time.
    """
    began = time.monotonic()
    while True:
        looked_after = time.monotonic() - began
        if is_so():
            return time.monotonic() - began
        if looked_after > seconds:
            raise TimeoutError(f"not so after {looked_after:.1f} seconds")
        time.sleep(every)
