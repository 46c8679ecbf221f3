"""Runs a pipeline: fetch all of a source, then refine what landed; every step may die and be done again."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pglock
import structlog
from django.utils import timezone

from config.clients.http import HttpFailed
from config.errors import CultivarError
from mlops.models import Run
from mlops.pipelines.connectors.http import SourceClient, reaching
from mlops.pipelines.definitions import Access, Fetched, Pipeline, Source
from mlops.pipelines.errors import SourceBusy, SourceUnavailable
from mlops.pipelines.landing import Landed, land
from mlops.pipelines.processing import refine_bundles, refine_run
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
ALERTS = (
    "source-unavailable",
    "source-broken",
    "feed-suspicious",
    "http-failed",
    "token-refused",
    "stale",
)
"""What a good run of a source has mended."""
# A feed whose first and last pages lie further apart than this is not one feed.
_RESUMED_WITHIN = timedelta(hours=1)


def run_source(
    pipeline: Pipeline,
    *,
    code: str,
    base_url: str = "",
    limit: int | None = None,
    accept: bool = False,
    afresh: bool = False,
    call_helpers: Callable[[Run], object] | None = None,
) -> Run:
    """
    Fetch everything of one source, then refine it; return the finished run.

    A run that ends in error leaves a failed Run and one open Alert, and has touched no product: refining
    begins only when every page has landed and the whole has been surveyed. accept: a person knows that the source
    has changed much, and says that it is right. afresh: fetch and refine also what is as last time. call_helpers:
    told of the run once all has landed, so that other processes may `help_refine` it.
    Raises SourceBusy when another run of the source is under way, and the error of a failed run after it has been
    noted. Safe to repeat.
    """
    source, access = pipeline.source(code), access_of(pipeline, code, base_url)
    with only_run_of(code):
        _finish_landed(pipeline, code)
        run = _resumed_or_new(pipeline, code, is_whole=limit is None, accept=accept)
        try:
            _fetch_all(source, run, access, limit=limit, afresh=afresh)
            refine_run(pipeline, run, afresh=afresh, call_helpers=call_helpers)
        except CultivarError as error:
            _note_failure(run, error)
            raise
        close_alerts(codes=ALERTS, subject=code)
        return run


def run_due(pipeline: Pipeline, *, limit: int = 500) -> int:
    """Refine what landed in runs that died before refining it; return how many runs were finished."""
    landed = Run.objects.filter(pipeline=pipeline.name, status=Run.Status.LANDED).order_by(
        "started_at"
    )[:limit]
    finished = 0
    for run in landed:
        try:
            with only_run_of(run.source):
                run.refresh_from_db()
                if run.status == Run.Status.LANDED:
                    finished += _refine_or_note(pipeline, run)
        except SourceBusy:
            continue  # its own run is at work on it
    return finished


def help_refine(pipeline: Pipeline, run: Run) -> int:
    """Take bundles of a run that another process is refining; return how many. Safe to repeat and to call late."""
    return (
        refine_bundles(pipeline, run) if run.status == Run.Status.LANDED and run.is_surveyed else 0
    )


@contextmanager
def only_run_of(code: str) -> Iterator[None]:
    """Hold the source, or raise SourceBusy."""
    # An advisory lock is gone with its connection, so a killed worker holds nothing up.
    with pglock.advisory(f"source:{code}", timeout=0) as is_ours:
        if not is_ours:
            raise SourceBusy(f"Another run of {code} is under way.")
        yield


def fetching(source: Source, client: SourceClient, limit: int | None) -> Iterable[Fetched]:
    """Yield what the source answers; raises SourceUnavailable, SourceBroken."""
    try:
        yield from source.fetch(client, limit=limit)
    except HttpFailed as error:
        raise SourceUnavailable(f"{source.label}: {error}") from error


def access_of(pipeline: Pipeline, code: str, base_url: str) -> Access:
    """Return how to reach the source: as staff have set it, at another address when one is given."""
    access = pipeline.access(code)
    if base_url:
        return replace(access, base_url=base_url)
    return (
        access
        if access.base_url or access.file
        else replace(access, base_url=pipeline.source(code).base_url)
    )


def _fetch_all(
    source: Source, run: Run, access: Access, *, limit: int | None, afresh: bool
) -> None:
    landed = Landed(source=source.code, run=run, afresh=afresh)
    with reaching(access, landed=landed) as client:
        records = [
            (r.pk, r.content_hash)
            for f in fetching(source, client, limit)
            for r in [land(run=run, fetched=f)]
        ]
    # A run that goes on may have landed what the source no longer sends: a page too many, the end of a longer file.
    run.raw_records.exclude(pk__in=[pk for pk, _ in records]).delete()
    run.checksum_in = hashlib.sha256(
        "".join(sorted(digest for _, digest in records)).encode()
    ).hexdigest()
    run.status = Run.Status.LANDED
    run.save()


def _resumed_or_new(pipeline: Pipeline, code: str, *, is_whole: bool, accept: bool) -> Run:
    """With the lock held no other run can be alive: go on with what was interrupted lately, give up what is old."""
    interrupted = Run.objects.filter(pipeline=pipeline.name, source=code, status=Run.Status.RUNNING)
    lately = interrupted.filter(started_at__gt=timezone.now() - _RESUMED_WITHIN, is_partial=False)
    run = lately.order_by("-started_at").first() if is_whole else None
    given_up = interrupted.exclude(pk=run.pk) if run else interrupted
    given_up.update(
        status=Run.Status.INTERRUPTED,
        error="The process ended in the middle of fetching.",
        finished_at=timezone.now(),
    )
    if run is None:
        run = Run.objects.create(
            pipeline=pipeline.name, source=code, is_partial=not is_whole, is_accepted=accept
        )
        run.refresh_from_db()
    elif run.is_accepted != accept:
        run.is_accepted = accept
        run.save()
    return run


def _finish_landed(pipeline: Pipeline, code: str) -> None:
    for run in Run.objects.filter(
        pipeline=pipeline.name, source=code, status=Run.Status.LANDED
    ).order_by("started_at"):
        _refine_or_note(pipeline, run)


def _refine_or_note(pipeline: Pipeline, run: Run) -> bool:
    """Refine a run of the past; tell whether it succeeded. Its failure is noted on it and stops nothing else."""
    try:
        refine_run(pipeline, run)
    except CultivarError as error:
        _note_failure(run, error)
        return False
    return True


def _note_failure(run: Run, error: CultivarError) -> None:
    run.status, run.error, run.finished_at = Run.Status.FAILED, str(error), timezone.now()
    run.save(update_fields=["status", "error", "finished_at"])  # its counts were written elsewhere
    open_alert(code=error.code, subject=run.source, message=str(error), run=run)
    log.warning("run failed", source=run.source, reason=str(error))
