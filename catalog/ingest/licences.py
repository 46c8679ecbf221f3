"""Licence holders: regulators' lists of cultivators, processors and sellers, and their cleaning."""

from collections.abc import Mapping
from datetime import date

from catalog.ingest.cleaning.dates import read_time
from catalog.ingest.cleaning.numbers import NO_VALUE
from catalog.ingest.records import CleanLicence, LicenceRecord
from catalog.ingest.sources.sheets import ListSource
from mlops.pipelines.errors import RecordRejected

_PROVINCE_CODES = {
    "alberta": "AB",
    "british columbia": "BC",
    "colombie-britannique": "BC",
    "manitoba": "MB",
    "new brunswick": "NB",
    "nouveau-brunswick": "NB",
    "newfoundland and labrador": "NL",
    "terre-neuve-et-labrador": "NL",
    "northwest territories": "NT",
    "territoires du nord-ouest": "NT",
    "nova scotia": "NS",
    "nouvelle-écosse": "NS",
    "nunavut": "NU",
    "ontario": "ON",
    "prince edward island": "PE",
    "île-du-prince-édouard": "PE",
    "quebec": "QC",
    "québec": "QC",
    "saskatchewan": "SK",
    "yukon": "YT",
}


class LicenceList(ListSource[LicenceRecord]):
    """A regulator's list of licence holders."""

    def record(self, row: Mapping[str, str]) -> LicenceRecord:
        """Return the record of a row."""
        values = self._field_values(row)
        external_id = self._build_external_id(row, values)
        return LicenceRecord(
            source=self.code,
            external_id=external_id,
            payload=row,
            day_first=self.mapping.day_first,
            flags=(),
            defect=self._missing_id_defect(row, external_id),
            **values,
        )


def clean_licence(record: LicenceRecord) -> CleanLicence:
    """Clean one row. Raises RecordRejected: no id, no name, unknown province, invalid date."""
    if record.defect:
        raise RecordRejected(record.defect)
    name = " ".join(record.name.split())
    if not name or len(name) > 255:
        raise RecordRejected("is missing" if not name else "is longer than 255 characters", "name")
    return CleanLicence(
        source=record.source,
        external_id=record.external_id,
        name=name,
        province=_parse_province(record.province),
        licence_classes=" ".join(record.licence_classes.split()) or None,
        status=" ".join(record.status.split())[:60] or None,
        effective_on=_parse_date(record.effective_on, "effective_on", day_first=record.day_first),
        expires_on=_parse_date(record.expires_on, "expires_on", day_first=record.day_first),
    )


def _parse_province(text: str) -> str | None:
    name = " ".join(text.split())
    if not name:
        return None
    if name.upper() in _PROVINCE_CODES.values():
        return name.upper()
    if name.lower() not in _PROVINCE_CODES:
        raise RecordRejected(f"{name!r} is no province or territory", "province")
    return _PROVINCE_CODES[name.lower()]


def _parse_date(text: str, field: str, *, day_first: bool) -> date | None:
    try:
        return read_time(text, day_first=day_first).date()
    except RecordRejected as rejection:
        if rejection.reason == NO_VALUE:
            return None
        raise RecordRejected(rejection.reason, field) from None
