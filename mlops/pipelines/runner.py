"""Pipeline runs: fetch all of a source, then process what landed. Every step is safe to repeat."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pglock
import structlog
from django.utils import timezone

from config.clients.http import HttpFailed
from config.clients.objects import ObjectsUnavailable
from config.errors import CultivarError
from mlops.models import Run
from mlops.pipelines.connectors.http import open_source_client
from mlops.pipelines.definitions import Pipeline, PipelineSource, RawResponse, SourceAccess
from mlops.pipelines.errors import SourceBusy, SourceUnavailable
from mlops.pipelines.landing import LandedResponses, copy_landed, land_response
from mlops.pipelines.processing import process_bundles, process_run
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
ALERT_CODES = (
    "source_unavailable",
    "source_broken",
    "feed_suspicious",
    "http_failed",
    "address_refused",
    "token_refused",
    "objects_unavailable",
    "stale",
)
"""Alerts of a source that a successful run closes."""
# Pages that were fetched further apart than this do not form one consistent feed.
_MAX_RESUME_AGE = timedelta(hours=1)


def run_source(  # noqa: PLR0913  # options of a run, each with a default
    pipeline: Pipeline,
    *,
    code: str,
    base_url: str = "",
    limit: int | None = None,
    accept: bool = False,
    full_refresh: bool = False,
    start_helpers: Callable[[Run], object] | None = None,
) -> Run:
    """
    Fetch everything of one source, then process it; return the finished run.

    A run that ends in an error leaves a failed Run and one open Alert, and has changed no rows:
    processing begins only when every page has landed and the whole feed has been surveyed.

    accept: a person has confirmed beforehand that large changes are right.
    full_refresh: fetch and process unchanged data as well.
    start_helpers: called with the run once all has landed, so that other processes may call
    `process_remaining_bundles`.

    Raises SourceBusy when another run of the source is in progress, and the error of a failed run
    after it has been recorded. Safe to repeat.
    """
    pipeline.source(code)  # an unknown source leaves no run
    access = source_access(pipeline, code, base_url)
    with source_lock(code):
        _finish_landed_runs(pipeline, code)
        run = _resume_or_create_run(pipeline, code, is_complete=limit is None, accept=accept)
        try:
            _fetch_all(pipeline, run, access, limit=limit, full_refresh=full_refresh)
            process_run(pipeline, run, full_refresh=full_refresh, start_helpers=start_helpers)
        except CultivarError as error:
            _record_failure(run, error)
            raise
        close_alerts(codes=(*ALERT_CODES, *pipeline.alert_codes), subject=code)
        return run


def process_landed_runs(pipeline: Pipeline, *, limit: int = 500) -> int:
    """Process runs that were interrupted after landing; return how many were finished."""
    landed_runs = Run.objects.filter(pipeline=pipeline.name, status=Run.Status.LANDED)
    finished = 0
    for run in landed_runs.order_by("started_at")[:limit]:
        try:
            with source_lock(run.source):
                run.refresh_from_db()
                if run.status == Run.Status.LANDED:
                    finished += _try_to_process(pipeline, run)
        except SourceBusy:
            continue  # the process that started the run is processing it
    return finished


def process_remaining_bundles(pipeline: Pipeline, run: Run) -> int:
    """
    Process bundles of a run together with the process that started it; return how many.

    Safe to repeat and to call late.
    """
    is_in_progress = run.status == Run.Status.LANDED and run.is_surveyed
    return process_bundles(pipeline, run) if is_in_progress else 0


def process_again(pipeline: Pipeline, run: Run) -> Run:
    """
    Process the landed pages of an earlier run by today's rules; return the new run.

    The new run is partial: it fetches nothing, so it does not show which rows are gone. Raises what
    run_source raises. Safe to repeat.
    """
    with source_lock(run.source):
        again = Run.objects.create(
            pipeline=pipeline.name,
            source=run.source,
            is_partial=True,
            is_accepted=True,
            checksum_in=run.checksum_in,
        )
        again.refresh_from_db()
        copy_landed(run, to=again)
        again.status = Run.Status.LANDED
        again.save()
        try:
            process_run(pipeline, again)
        except CultivarError as error:
            _record_failure(again, error)
            raise
        return again


@contextmanager
def source_lock(code: str) -> Iterator[None]:
    """Lock the source for one run. Raises SourceBusy when it is locked."""
    # An advisory lock ends with its connection, so a killed worker blocks nothing.
    with pglock.advisory(f"source:{code}", timeout=0) as is_acquired:
        if not is_acquired:
            raise SourceBusy(f"Another run of {code} is in progress.")
        yield


def open_client(
    pipeline: Pipeline, access: SourceAccess, *, landed: LandedResponses
) -> AbstractContextManager[Any]:
    """Open the client of one source for one run."""
    return (pipeline.open_client or open_source_client)(access, landed=landed)


def fetch_responses(
    source: PipelineSource, client: Any, limit: int | None
) -> Iterable[RawResponse]:
    """Yield the responses of a source. Raises SourceUnavailable, SourceBroken."""
    try:
        yield from source.fetch(client, limit=limit)
    except HttpFailed as error:
        raise SourceUnavailable(f"{source.label}: {error}") from error


def source_access(pipeline: Pipeline, code: str, base_url: str) -> SourceAccess:
    """Return the access settings of a source; `base_url` overrides the address if given."""
    access = pipeline.access(code)
    if base_url:
        return replace(access, base_url=base_url)
    if access.base_url or access.file:
        return access
    return replace(access, base_url=pipeline.source(code).base_url)


def _fetch_all(
    pipeline: Pipeline, run: Run, access: SourceAccess, *, limit: int | None, full_refresh: bool
) -> None:
    source = pipeline.source(run.source)
    landed = LandedResponses(source=run.source, run=run, full_refresh=full_refresh)
    record_ids = []
    content_hashes = []
    with open_client(pipeline, access, landed=landed) as client:
        for response in fetch_responses(source, client, limit):
            record = land_response(run=run, response=response)
            record_ids.append(record.id)
            content_hashes.append(record.content_hash)
    # A resumed run may have landed what the source no longer sends, for example a last page.
    run.raw_records.exclude(pk__in=record_ids).delete()
    run.checksum_in = hashlib.sha256("".join(sorted(content_hashes)).encode()).hexdigest()
    run.status = Run.Status.LANDED
    run.save()


def _resume_or_create_run(pipeline: Pipeline, code: str, *, is_complete: bool, accept: bool) -> Run:
    """
    Resume the latest interrupted run if it is recent enough, else create one.

    The source is locked, so no other run of it is in progress: other runs with the status RUNNING
    were interrupted and are marked so.
    """
    interrupted = Run.objects.filter(
        pipeline=pipeline.name, source=code, status=Run.Status.RUNNING, is_dry_run=False
    )
    resumable = interrupted.filter(
        started_at__gt=timezone.now() - _MAX_RESUME_AGE, is_partial=False
    )
    run = resumable.order_by("-started_at").first() if is_complete else None
    abandoned = interrupted.exclude(pk=run.pk) if run else interrupted
    abandoned.update(
        status=Run.Status.INTERRUPTED,
        error="The process ended while fetching.",
        finished_at=timezone.now(),
    )
    if run is None:
        run = Run.objects.create(
            pipeline=pipeline.name, source=code, is_partial=not is_complete, is_accepted=accept
        )
        run.refresh_from_db()
    elif run.is_accepted != accept:
        run.is_accepted = accept
        run.save()
    return run


def _finish_landed_runs(pipeline: Pipeline, code: str) -> None:
    landed_runs = Run.objects.filter(pipeline=pipeline.name, source=code, status=Run.Status.LANDED)
    for run in landed_runs.order_by("started_at"):
        _try_to_process(pipeline, run)


def _try_to_process(pipeline: Pipeline, run: Run) -> bool:
    """Process an earlier run; return whether it succeeded. A failure is recorded, not raised."""
    try:
        process_run(pipeline, run)
    except CultivarError as error:
        _record_failure(run, error)
        return False
    return True


def _record_failure(run: Run, error: CultivarError) -> None:
    """Record an error that ended a run; while object storage is unavailable, the run waits."""
    if isinstance(error, ObjectsUnavailable):
        # Left as it is, it is resumed by the next run, or processed by `process_raw_records`.
        open_alert(code=error.code, subject=run.source, message=str(error), run=run)
        log.warning("run.paused", source=run.source, reason=str(error))
        return
    run.status = Run.Status.FAILED
    run.error = str(error)
    run.finished_at = timezone.now()
    # Only these fields: the counts in the database are newer than those of `run`.
    run.save(update_fields=["status", "error", "finished_at"])
    open_alert(code=error.code, subject=run.source, message=str(error), run=run)
    log.warning("run.failed", source=run.source, reason=str(error))
