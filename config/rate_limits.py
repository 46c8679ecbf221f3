"""Rate limits of API keys as text."""

import re

from django.utils.translation import gettext

from config.errors import BadInput

_RATE = re.compile(r"([0-9]{1,9})/(s|m|h|d)[a-z]*")
_PERIOD_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_rate(text: str) -> tuple[int, int]:
    """Return requests and seconds of a rate such as "600/min". Raises BadInput."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise BadInput(
            "rate",
            gettext("must be a number of requests per sec, min, hour or day, for example 600/min"),
        )
    return int(match[1]), _PERIOD_SECONDS[match[2]]
