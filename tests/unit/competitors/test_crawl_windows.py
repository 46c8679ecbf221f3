"""Daily crawl windows in local time."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competitors.crawl_windows import is_open, next_opening

TORONTO = ZoneInfo("America/Toronto")
MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC)
)


@pytest.mark.parametrize(
    ("local_hour", "expected"), [(21, False), (22, True), (2, True), (5, False), (12, False)]
)
def test_window_may_pass_midnight(local_hour: int, expected: bool) -> None:
    moment = datetime(2026, 7, 1, local_hour, 0, tzinfo=TORONTO)

    assert is_open(moment, start=time(22), end=time(5), zone=TORONTO) is expected


def test_without_a_window_any_time_is_open() -> None:
    moment = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)

    assert is_open(moment, start=None, end=None, zone=TORONTO)
    assert next_opening(moment, start=None, end=None, zone=TORONTO) == moment


@given(moment=MOMENTS, start=st.times(), end=st.times())
def test_next_opening_is_open_and_not_earlier(moment: datetime, start: time, end: time) -> None:
    start, end = (value.replace(second=0, microsecond=0) for value in (start, end))

    opening = next_opening(moment, start=start, end=end, zone=TORONTO)

    assert opening >= moment
    # A start within the hour that clocks skip in spring does not exist.
    is_skipped = (opening.month, 2) == (3, start.hour) and opening.day == 8
    assert is_skipped or is_open(opening, start=start, end=end, zone=TORONTO)
