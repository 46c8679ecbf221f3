"""The road of regulators' lists: who may grow, process and sell."""

from collections.abc import Mapping
from datetime import date

from catalog.ingest.fingerprint import version_of
from catalog.ingest.records import CleanLicence, LicenceRecord
from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.sheets import ListSource, moment_of
from catalog.models import CatalogSource
from catalog.selectors import access_to
from catalog.services.licences import (
    conclude_licences,
    licences_checksum,
    preview_licences,
    save_licences,
    survey_licences,
)
from mlops.pipelines.definitions import Pipeline
from mlops.pipelines.errors import RecordRejected, SourceBroken

_PROVINCES = {
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
    """A list of holders of licences."""

    def record(self, row: Mapping[str, str]) -> LicenceRecord:
        """Read one row."""
        facts = self._facts(row)
        external_id = self._external_id(row, facts)
        return LicenceRecord(
            source=self.code,
            external_id=external_id,
            payload=row,
            day_first=self.mapping.day_first,
            defect=self._defect(external_id),
            **facts,
        )


def clean_licence(record: LicenceRecord) -> CleanLicence:
    """Clean one row; raises RecordRejected: no id, no name, no such province, a date that is none."""
    if record.defect:
        raise RecordRejected(record.defect)
    name = " ".join(record.name.split())
    if not name or len(name) > 255:
        raise RecordRejected("is missing" if not name else "is longer than 255 characters", "name")
    return CleanLicence(
        source=record.source,
        external_id=record.external_id,
        name=name,
        province=_province(record.province),
        licence_classes=" ".join(record.licence_classes.split()) or None,
        status=" ".join(record.status.split())[:60] or None,
        effective_on=_day(record.effective_on, "effective_on", day_first=record.day_first),
        expires_on=_day(record.expires_on, "expires_on", day_first=record.day_first),
    )


def find_licence_list(code: str) -> LicenceList:
    """Return the list of this code; raises KeyError when there is none, SourceBroken when it has no columns yet."""
    row = CatalogSource.objects.filter(pk=code, holds=CatalogSource.Holds.LICENCES).first()
    if row is None:
        raise KeyError(code)
    if not row.mapping:
        raise SourceBroken(f"{row.label}: nobody has said yet which of its columns says what.")
    return LicenceList(code=row.code, label=row.label, mapping=SheetMapping(**row.mapping))


LICENCES = Pipeline(
    name="catalog.licences",
    source=find_licence_list,
    access=access_to,
    survey=survey_licences,
    stages=(clean_licence,),
    preview=preview_licences,
    save=save_licences,
    conclude=conclude_licences,
    checksum=licences_checksum,
    version=lambda code: version_of(find_licence_list(code).mapping_hash),
    output_table="licence_holders",
)


def _province(text: str) -> str | None:
    word = " ".join(text.split())
    if not word:
        return None
    code = word.upper() if word.upper() in _PROVINCES.values() else _PROVINCES.get(word.lower())
    if code is None:
        raise RecordRejected(f"{word!r} is no province or territory", "province")
    return code


def _day(text: str, field: str, *, day_first: bool) -> date | None:
    if not text.strip():
        return None
    moment = moment_of(text, day_first=day_first)
    if moment is None:
        raise RecordRejected(f"{text!r} is not a date", field)
    return moment.date()
