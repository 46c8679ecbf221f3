"""What a run would do, without doing it."""

from dataclasses import dataclass
from itertools import groupby

from django.db import transaction
from django.utils import timezone

from mlops.models import Run
from mlops.pipelines.connectors.http import reaching
from mlops.pipelines.definitions import Difference, Pipeline
from mlops.pipelines.landing import Landed
from mlops.pipelines.processing import batches_of, save_batch
from mlops.pipelines.runner import access_of, fetching, only_run_of

_MOST_DIFFERENCES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The run as it would be, what would stop it, and some of the rows that it would change."""

    run: Run
    objection: str
    differences: list[Difference]


class _Rehearsed(Exception):
    """Carries what was found out of the transaction that forgets it."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal


def rehearse_source(
    pipeline: Pipeline, *, code: str, base_url: str = "", limit: int | None = None
) -> Rehearsal:
    """
    Do all that run_source does in a transaction that is undone; keep nothing.

    Raises what a run raises but for what a person may accept: that is in `objection`.
    """
    source, access = pipeline.source(code), access_of(pipeline, code, base_url)
    landed = Landed(source=code, run=None)
    with only_run_of(code), reaching(access, landed=landed) as client:
        fetched = sorted(fetching(source, client, limit), key=lambda f: (f.bundle, f.role))
        bundles = {
            bundle: list(group) for bundle, group in groupby(fetched, key=lambda f: f.bundle)
        }
        try:
            with transaction.atomic():
                run = Run.objects.create(
                    pipeline=pipeline.name, source=code, is_partial=limit is not None
                )
                run.refresh_from_db()
                records = (
                    record for responses in bundles.values() for record in source.parse(responses)
                )
                survey = pipeline.survey(source=code, records=records, is_partial=run.is_partial)
                differences: list[Difference] = []
                for bundle, responses in bundles.items():
                    for refined in batches_of(pipeline, source.parse(responses)):
                        if len(differences) < _MOST_DIFFERENCES:
                            differences += pipeline.preview(listings=refined.accepted)
                        save_batch(pipeline, run, refined, bundle=bundle)
                run.refresh_from_db()
                run.gone = pipeline.conclude(source=code, survey=survey, run=run)
                run.checksum_out = pipeline.checksum(code)
                raise _Rehearsed(
                    Rehearsal(
                        run=run,
                        objection=survey.objection,
                        differences=differences[:_MOST_DIFFERENCES],
                    )
                )
        except _Rehearsed as found:
            return found.rehearsal


def note_rehearsal(rehearsal: Rehearsal) -> Run:
    """Keep what a rehearsal found as a run of its own, for people to read."""
    run = rehearsal.run
    run.is_rehearsal, run.status, run.finished_at = True, Run.Status.SUCCEEDED, timezone.now()
    run.report = {
        "objection": rehearsal.objection,
        "differences": [
            {"key": d.key, "before": dict(d.before), "after": dict(d.after)}
            for d in rehearsal.differences
        ],
    }
    run.save(force_insert=True)
    return run
