"""Date reader: whole dates of suppliers' lists, in English, French and ISO 8601."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from dateutil import parser as dates

from catalog.ingest.cleaning.numbers import normalize_value
from mlops.pipelines.errors import RecordRejected

_FIELD = "date"
_MONTHS = {
    "janvier": "january", "janv": "january", "fevrier": "february", "février": "february",
    "fevr": "february", "févr": "february", "mars": "march", "avril": "april", "avr": "april",
    "mai": "may", "juin": "june", "juillet": "july", "juil": "july", "août": "august",
    "aout": "august", "septembre": "september", "octobre": "october", "novembre": "november",
    "décembre": "december", "decembre": "december", "déc": "december",
}  # fmt: skip
_MONTH = re.compile(rf"\b(?:{'|'.join(_MONTHS)})\b\.?")
_FIRST = re.compile(r"\b1er\b")
_DAY_NAME = re.compile(r"^(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche),?\s+")
_FRENCH_HOUR = re.compile(r"(\d)\s*h\s*(\d\d)")
# The year first: no order of day and month is possible but that of ISO 8601.
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?P<sign>[-/.]?)(?P<month>\d{1,2})(?P=sign)(?P<day>\d{1,2})(?!\d)(?P<rest>.*)"
)
# Days since 30 December 1899, as a spreadsheet stores a date: from 2000 to 2100.
_SERIAL = re.compile(r"\d{5}(?:\.\d+)?")
_SERIALS = range(36_526, 73_416)
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
# Time zones of Canada, in hours from UTC.
_ZONES = {
    "NST": -3.5, "NDT": -2.5, "AST": -4, "ADT": -3, "EST": -5, "EDT": -4, "HNE": -5, "HAE": -4,
    "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
_YEARS = range(1990, 2101)
# A text that states no whole date takes what is missing from the default; two of them differ.
_DEFAULTS = (datetime(2000, 1, 1), datetime(2001, 2, 2))  # replaced by the text's


def read_time(text: str, *, day_first: bool) -> datetime:
    """
    Return a time, UTC where the text states no time zone: "2025-12-04", "4 déc. 2025", "45995".

    day_first: whether "03/04/2025" is 3 April; of no effect on a date that begins with the year.
    Raises RecordRejected: no date, not a whole one ("Dec 4", "2025"), a year before 1990 or after
    2100.
    """
    normalized = normalize_value(text, field=_FIELD)
    try:
        time = _read_serial(normalized) or _read_year_first(normalized)
        time = time or _read_words(normalized, day_first=day_first)
    except (ValueError, OverflowError):
        raise RecordRejected(f"{text!r} is not a date", _FIELD) from None
    if time.year not in _YEARS:
        raise RecordRejected(f"{text!r} is not a date of our time", _FIELD)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _read_serial(normalized: str) -> datetime | None:
    if not _SERIAL.fullmatch(normalized) or int(float(normalized)) not in _SERIALS:
        return None
    return _EPOCH + timedelta(days=round(float(normalized), 6))


def _read_year_first(normalized: str) -> datetime | None:
    match = _YEAR_FIRST.fullmatch(normalized)
    if not match:
        return None
    if not match["sign"] and len(match["month"] + match["day"]) != 4:
        raise ValueError
    year, month, day = (int(match[name]) for name in ("year", "month", "day"))
    date = datetime(year, month, day)  # the time zone is that of the rest
    rest = match["rest"].lstrip(" t")
    return _parse(rest, date) if rest else date


def _read_words(normalized: str, *, day_first: bool) -> datetime:
    english = _MONTH.sub(lambda match: _MONTHS[match[0].rstrip(".")], normalized)
    english = _DAY_NAME.sub("", _FIRST.sub("1", english))
    time, other = (_parse(english, default, day_first=day_first) for default in _DEFAULTS)
    if time.date() != other.date():
        raise ValueError
    return time


def _parse(text: str, default: datetime, *, day_first: bool = False) -> datetime:
    text = _FRENCH_HOUR.sub(r"\1:\2", text).upper()  # names of time zones are read in capitals
    return dates.parse(text, default=default, dayfirst=day_first, tzinfos=_time_zone)


def _time_zone(name: str | None, offset: int | None) -> tzinfo | None:
    """Return the time zone of an offset in seconds or of a name. Raises ValueError: unknown."""
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    if name and name not in _ZONES:
        raise ValueError
    return timezone(timedelta(hours=_ZONES[name])) if name else None
