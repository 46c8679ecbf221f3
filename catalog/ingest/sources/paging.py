"""Paging of sources that are read page by page."""

import math


def even_page_size(max_size: int, *, limit: int | None) -> int:
    """
    Return the size of all pages of a run: the largest, or equal shares of a limit.

    Pages are addressed by number, so that their size must not change within a run.
    """
    if limit is None or limit < 1:
        return max_size
    return math.ceil(limit / math.ceil(limit / max_size))
