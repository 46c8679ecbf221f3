"""Dates of suppliers' and regulators' lists: whole dates, read without doubt, or refused."""

from datetime import UTC, date, datetime

import pytest

from catalog.ingest.cleaning.dates import read_time
from catalog.ingest.licences import clean_licence
from catalog.ingest.records import LicenceRecord
from mlops.pipelines.errors import RecordRejected


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-04",
        "2026/03/04",
        "2026.3.4",
        "20260304",
        "2026-03-04T00:00:00",
        "2026-03-04 00:00:00",
        "4 March 2026",
        "March 4, 2026",
        "4 mars 2026",
        "mercredi 4 mars 2026",
        "04/03/2026",
        "4-3-26",
        "46085",
    ],
)
def test_date_with_the_day_first_is_one_date_in_every_spelling(text: str) -> None:
    assert read_time(text, day_first=True) == datetime(2026, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1er janvier 2026", date(2026, 1, 1)),
        ("5 févr. 2026", date(2026, 2, 5)),
        ("6 mai 2026", date(2026, 5, 6)),
        ("7 août 2026", date(2026, 8, 7)),
        ("8 déc. 2026", date(2026, 12, 8)),
        ("9 Dec 2026", date(2026, 12, 9)),
        ("12/25/2026", date(2026, 12, 25)),
        ("25/12/2026", date(2026, 12, 25)),
    ],
)
def test_date_with_the_month_in_words_or_beyond_doubt(text: str, day: date) -> None:
    assert read_time(text, day_first=False).date() == day


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-03-04T10:00:00-05:00", 15),
        ("2026-03-04 10:00 EST", 15),
        ("2026-03-04 10 h 00 HNE", 15),
        ("2026-03-04T10:00:00Z", 10),
    ],
)
def test_time_zone_of_a_time_is_read(text: str, hour: int) -> None:
    time = read_time(text, day_first=False)

    assert time.astimezone(UTC) == datetime(2026, 3, 4, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "12",
        "12.5",
        "2026",
        "Dec 4",
        "décembre 2026",
        "10:30",
        "monday",
        "2026-13-45",
        "2026-02-30",
        "2026034",
        "31/02/2026",
        "0001-01-01",
        "1970-01-01",
        "9999-12-31",
        "3.5 g",
        "soon",
        "2026-03-04 and later",
        "2026-03-04 10:00 XYZ",
    ],
)
def test_text_without_one_whole_date_of_our_time_is_refused(text: str) -> None:
    with pytest.raises(RecordRejected):
        read_time(text, day_first=False)


def _licence(expires_on: str) -> LicenceRecord:
    return LicenceRecord(
        source="list",
        external_id="7",
        payload={},
        name="Cultivar Hills",
        province="ON",
        licence_classes="",
        status="",
        effective_on="",
        expires_on=expires_on,
        day_first=True,
    )


def test_expiry_from_a_workbook_keeps_day_and_month_with_the_day_first() -> None:
    licence = clean_licence(_licence("2027-03-04T00:00:00"))

    assert licence.expires_on == date(2027, 3, 4)


@pytest.mark.parametrize("text", ["", "N/A", "-"])
def test_expiry_that_is_not_stated_is_open(text: str) -> None:
    assert clean_licence(_licence(text)).expires_on is None


def test_expiry_without_a_day_is_refused_with_its_field() -> None:
    with pytest.raises(RecordRejected) as caught:
        clean_licence(_licence("March 2027"))

    assert caught.value.field == "expires_on"
