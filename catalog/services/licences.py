"""Writes to holders of licences: a regulator's list, as it stands today."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from catalog.ingest.records import CleanLicence, LicenceRecord
from catalog.models import CatalogSource, LicenceHolder
from mlops.models import Run
from mlops.pipelines.definitions import Difference, Saved
from mlops.pipelines.errors import FeedSuspicious

_LEAST_HOLDERS = 10


@dataclass(slots=True)
class LicenceSurvey:
    """The ids that a list names, and what speaks against it; a list of holders has some thousand rows at most."""

    ids: set[str] = field(default_factory=set)
    objection: str = ""
    newest_event_at: None = None


def survey_licences(
    *, source: str, records: Iterable[LicenceRecord], is_partial: bool = False
) -> LicenceSurvey:
    """Object when more holders would vanish than the source's row allows. Raises FeedSuspicious when none has a name."""
    survey, has_name = LicenceSurvey(), False
    for record in records:
        survey.ids.add(record.external_id)
        has_name = has_name or bool(record.name.strip())
    if survey.ids and not has_name:
        raise FeedSuspicious(f"No row of {source} names a holder; its format may have changed.")
    listed = set(_current(source).values_list("external_id", flat=True))
    limits = CatalogSource.objects.filter(pk=source).first() or CatalogSource()
    gone = 0 if is_partial else len(listed - survey.ids)
    if len(listed) >= _LEAST_HOLDERS and gone * 100 > limits.most_gone_percent * len(listed):
        survey.objection = f"{gone} of {len(listed)} holders of {source} would vanish."
    return survey


@transaction.atomic
def save_licences(
    *, listings: Sequence[CleanLicence], run: Run | None, bundle: str | None = None
) -> Saved:
    """Upsert the holders; rows that do not differ are not written. Safe to repeat."""
    wanted = {licence.external_id: licence for licence in listings}
    if not wanted:
        return Saved()
    source = listings[0].source
    known = dict(_known(source, wanted))
    due = [licence for key, licence in sorted(wanted.items()) if known.get(key) != _hash(licence)]
    LicenceHolder.objects.bulk_create(
        [
            LicenceHolder(
                **asdict(licence),
                content_hash=_hash(licence),
                run=run,
                bundle=bundle,
                updated_at=timezone.now(),
            )
            for licence in due
        ],
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["source", "external_id"],
        update_fields=[
            "name",
            "province",
            "licence_classes",
            "status",
            "effective_on",
            "expires_on",
            "content_hash",
            "run",
            "bundle",
            "updated_at",
        ],
    )
    new = sum(licence.external_id not in known for licence in due)
    return Saved(new=new, changed=len(due) - new, unchanged=len(wanted) - len(due))


def preview_licences(*, listings: Sequence[CleanLicence]) -> list[Difference]:
    """Return what a save would write, row by row: the values that differ. Writes nothing."""
    differences = []
    rows = (
        {row.external_id: row for row in LicenceHolder.objects.filter(source=listings[0].source)}
        if listings
        else {}
    )
    for licence in listings:
        row = rows.get(licence.external_id)
        facts = {
            name: value
            for name, value in asdict(licence).items()
            if name not in ("source", "external_id")
        }
        told = {
            name: (str(getattr(row, name, None) or ""), str(value or ""))
            for name, value in facts.items()
        }
        changed = {name: pair for name, pair in told.items() if pair[0] != pair[1]}
        if changed:
            before, after = (
                {name: pair[place] for name, pair in changed.items()} for place in (0, 1)
            )
            differences.append(Difference(key=licence.external_id, before=before, after=after))
    return differences


def conclude_licences(*, source: str, survey: LicenceSurvey, run: Run) -> int:
    """Mark who is listed no more, unmark who is again; return how many are newly gone."""
    rows = LicenceHolder.objects.filter(source=source)
    rows.filter(external_id__in=survey.ids).exclude(gone_at=None).update(gone_at=None)
    gone = (
        0
        if run.is_partial
        else _current(source).exclude(external_id__in=survey.ids).update(gone_at=timezone.now())
    )
    if run.new or run.changed or gone:
        CatalogSource.objects.filter(pk=source).update(newest_event_at=timezone.now())
    return gone


def licences_checksum(source: str) -> str:
    """Return the sha256 over the content hashes of whom the source lists, in the order of ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(sha256(convert_to(coalesce(string_agg(content_hash, '' ORDER BY external_id), ''),"
            " 'UTF8')), 'hex') FROM licence_holders WHERE source = %s AND gone_at IS NULL",
            [source],
        )
        return str(cursor.fetchone()[0])


def _current(source: str) -> QuerySet[LicenceHolder]:
    return LicenceHolder.objects.filter(source=source, gone_at=None)


def _known(source: str, ids: Iterable[str]) -> Iterable[tuple[str, str]]:
    return LicenceHolder.objects.filter(source=source, external_id__in=ids).values_list(
        "external_id", "content_hash"
    )


def _hash(licence: CleanLicence) -> str:
    return hashlib.sha256(
        json.dumps(asdict(licence), sort_keys=True, default=str).encode()
    ).hexdigest()
