"""Pipeline of licence holders: regulators' lists of cultivators, processors and sellers."""

from collections.abc import Mapping
from datetime import date

from catalog.ingest.fingerprint import rules_fingerprint
from catalog.ingest.records import CleanLicence, LicenceRecord
from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.sheets import ListSource, parse_time
from catalog.models import CatalogSource
from catalog.selectors.sources import source_access
from catalog.services.licences import (
    conclude_licences,
    licences_checksum,
    preview_licences,
    save_licences,
    survey_licences,
)
from mlops.pipelines.definitions import Pipeline
from mlops.pipelines.errors import RecordRejected, SourceBroken

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
            defect=self._missing_id_defect(external_id),
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


def find_licence_list(code: str) -> LicenceList:
    """Return the list of a code. Raises KeyError: unknown; SourceBroken: columns not mapped."""
    row = CatalogSource.objects.filter(
        pk=code, content_kind=CatalogSource.ContentKind.LICENCES
    ).first()
    if row is None:
        raise KeyError(code)
    if not row.mapping:
        raise SourceBroken(f"{row.label}: its columns are not mapped yet.")
    return LicenceList(code=row.code, label=row.label, mapping=SheetMapping(**row.mapping))


LICENCES = Pipeline(
    name="catalog.licences",
    source=find_licence_list,
    access=source_access,
    survey=survey_licences,
    stages=(clean_licence,),
    preview=preview_licences,
    save=save_licences,
    conclude=conclude_licences,
    checksum=licences_checksum,
    version=lambda code: rules_fingerprint(find_licence_list(code).mapping_hash),
    output_table="licence_holders",
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
    if not text.strip():
        return None
    time = parse_time(text, day_first=day_first)
    if time is None:
        raise RecordRejected(f"{text!r} is not a date", field)
    return time.date()
