"""Saving of licence holders from a regulator's list."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from catalog.ingest.records import CleanLicence, LicenceRecord
from catalog.ingest.sources.mapping import LICENCE_FIELDS
from catalog.models import CatalogSource, LicenceHolder
from mlops.models import Run
from mlops.pipelines.definitions import RepeatDecision, RowDifference, SaveCounts
from mlops.pipelines.errors import FeedSuspicious

# Below this number of holders, percentages are not meaningful.
_MIN_HOLDERS = 10
_CHECKSUM = """
SELECT encode(sha256(convert_to(
  coalesce(string_agg(content_hash, '' ORDER BY external_id), ''), 'UTF8')), 'hex')
FROM licence_holders WHERE source = %s AND gone_at IS NULL
"""


@dataclass(slots=True)
class LicenceSurvey:
    """Ids of a list (a few thousand at most), and the objection against it; "": none."""

    ids: set[str] = field(default_factory=set)
    objection: str = ""
    newest_event_at: None = None


def survey_licences(
    *, source: str, records: Iterable[LicenceRecord], is_partial: bool = False
) -> LicenceSurvey:
    """
    Read a whole list before it is used.

    Objects when more holders would be gone than the source allows. Raises FeedSuspicious when no
    row has a name.
    """
    survey = LicenceSurvey()
    has_name = False
    for record in records:
        survey.ids.add(record.external_id)
        has_name = has_name or bool(record.name.strip())
    if survey.ids and not has_name:
        raise FeedSuspicious(f"No row of {source} names a holder; its format may have changed.")
    listed = set(_listed_holders(source).values_list("external_id", flat=True))
    limits = CatalogSource.objects.filter(pk=source).first() or CatalogSource()
    gone = 0 if is_partial else len(listed - survey.ids)
    if len(listed) >= _MIN_HOLDERS and gone * 100 > limits.max_gone_percent * len(listed):
        survey.objection = f"{gone} of {len(listed)} holders of {source} would be gone."
    return survey


def find_repeated_licences(*, records: Iterable[LicenceRecord]) -> Iterator[RepeatDecision]:
    """Yield the rows of a licence list whose id an earlier row has: equal, or rejected."""
    first_rows: dict[str, tuple[str, ...]] = {}
    for index, record in enumerate(records):
        if not record.external_id:
            continue
        facts = tuple(getattr(record, name) for name in LICENCE_FIELDS)
        first = first_rows.setdefault(record.external_id, facts)
        if first is facts:
            continue
        if first == facts:
            yield RepeatDecision(index=index, action="repeated")
        else:
            reason = f"the id {record.external_id} stands on an earlier row with other facts"
            yield RepeatDecision(index=index, action="rejected", reason=reason)


@transaction.atomic
def save_licences(
    *, listings: Sequence[CleanLicence], run: Run | None, bundle: str | None = None
) -> SaveCounts:
    """Upsert the holders; unchanged rows are not written. Safe to repeat."""
    by_id = {licence.external_id: licence for licence in listings}
    if not by_id:
        return SaveCounts()
    existing = dict(_existing_hashes(listings[0].source, by_id))
    changes = [
        licence
        for external_id, licence in sorted(by_id.items())
        if existing.get(external_id) != _content_hash(licence)
    ]
    LicenceHolder.objects.bulk_create(
        [
            LicenceHolder(
                **asdict(licence),
                content_hash=_content_hash(licence),
                run=run,
                bundle=bundle,
                updated_at=timezone.now(),
            )
            for licence in changes
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
    new = sum(licence.external_id not in existing for licence in changes)
    return SaveCounts(new=new, changed=len(changes) - new, unchanged=len(by_id) - len(changes))


def preview_licences(*, listings: Sequence[CleanLicence]) -> list[RowDifference]:
    """Return the differences that saving would write. Writes nothing."""
    if not listings:
        return []
    holders = LicenceHolder.objects.filter(source=listings[0].source)
    existing = {holder.external_id: holder for holder in holders}
    differences = (_difference(licence, existing.get(licence.external_id)) for licence in listings)
    return [difference for difference in differences if difference.after]


def _difference(licence: CleanLicence, holder: LicenceHolder | None) -> RowDifference:
    pairs = {
        name: (str(getattr(holder, name, None) or ""), str(value or ""))
        for name, value in asdict(licence).items()
        if name not in ("source", "external_id")
    }
    changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return RowDifference(
        key=licence.external_id,
        before={name: before for name, (before, _) in changed.items()},
        after={name: after for name, (_, after) in changed.items()},
        name=licence.name,
    )


def conclude_licences(*, source: str, survey: LicenceSurvey, run: Run) -> int:
    """Mark holders no longer listed, unmark those listed again; return the number newly gone."""
    rows = LicenceHolder.objects.filter(source=source)
    rows.filter(external_id__in=survey.ids).exclude(gone_at=None).update(gone_at=None)
    gone = (
        0
        if run.is_partial
        else _listed_holders(source)
        .exclude(external_id__in=survey.ids)
        .update(gone_at=timezone.now())
    )
    if run.new or run.changed or gone:
        CatalogSource.objects.filter(pk=source).update(newest_event_at=timezone.now())
    return gone


def licences_checksum(source: str) -> str:
    """Return the SHA-256 over the content hashes of the source's listed holders."""
    with connection.cursor() as cursor:
        cursor.execute(_CHECKSUM, [source])
        return str(cursor.fetchone()[0])


def _listed_holders(source: str) -> QuerySet[LicenceHolder]:
    return LicenceHolder.objects.filter(source=source, gone_at=None)


def _existing_hashes(source: str, ids: Iterable[str]) -> Iterable[tuple[str, str]]:
    return LicenceHolder.objects.filter(source=source, external_id__in=ids).values_list(
        "external_id", "content_hash"
    )


def _content_hash(licence: CleanLicence) -> str:
    return hashlib.sha256(
        json.dumps(asdict(licence), sort_keys=True, default=str).encode()
    ).hexdigest()
