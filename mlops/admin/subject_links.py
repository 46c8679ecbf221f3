"""Addresses of what alerts and runs are about; applications register those of their rows."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext

from mlops.models import Alert, Run
from mlops.pipelines.runner import ALERT_CODES as SOURCE_CODES

FindPage = Callable[[str], str]
"""Returns the address of the page of a subject; empty: it has none."""
_pages: dict[str, FindPage] = {}
_source_pages: list[FindPage] = []
FindRunLinks = Callable[[Run], Iterable[tuple[str, str]]]
"""Returns label and address of pages about a run."""
_run_links: list[FindRunLinks] = []


def register(*codes: str) -> Callable[[FindPage], FindPage]:
    """Register the function that finds the subject of alerts with these codes; a decorator."""

    def decorate(find: FindPage) -> FindPage:
        _pages.update(dict.fromkeys(codes, find))
        return find

    return decorate


def register_sources(find: FindPage) -> FindPage:
    """Register a function that finds the page of a source by its code; a decorator."""
    _source_pages.append(find)
    return find


def register_run_links(find: FindRunLinks) -> FindRunLinks:
    """Register a function that returns links from a run to its rows; a decorator."""
    _run_links.append(find)
    return find


def run_links(run: Run) -> list[tuple[str, str]]:
    """Return label and address of what a run is about: its source, its rows, its operation."""
    links = [(gettext("Source"), source_url(run.source))]
    links += [link for find in _run_links for link in find(run)]
    links.append((gettext("Alerts"), page_with("mlops_alert_changelist", subject=run.source)))
    return [(label, url) for label, url in links if url]


def source_url(source: str) -> str:
    """Return the address of the page of a source; empty: no application knows it."""
    return next((url for find in _source_pages if (url := find(source))), "")


def subject_url(alert: Alert) -> str:
    """Return the address of what an alert is about; empty: it has no page."""
    find = _pages.get(alert.code)
    if find is None:
        return source_url(alert.subject)
    return find(alert.subject)


def page_with(page: str, /, **params: Any) -> str:
    """Return the address of a page of the console with a query string."""
    url = reverse(f"admin:{page}")
    return f"{url}?{urlencode(params)}" if params else url


register(*SOURCE_CODES)(source_url)


@register("metric_threshold")
def _metric(subject: str) -> str:
    """Find a metric by "source name side"."""
    words = subject.split(" ")
    return page_with("mlops_metricthreshold_metrics", name=words[-2]) if len(words) > 2 else ""


@register("quality")
def _quality_rule(subject: str) -> str:
    return page_with("mlops_qualityfinding_changelist", rule=subject)


@register("integrity")
def _sealed_table(subject: str) -> str:
    """Find a table by "table" or "table block 0f"."""
    return page_with("mlops_integrityseal_changelist", table_name=subject.split(" ", maxsplit=1)[0])


@register("erasure_incomplete")
def _erasure(subject: str) -> str:
    return reverse("admin:mlops_erasure_change", args=[subject])


@register("retention_failed")
def _retention_rule(subject: str) -> str:
    return page_with("mlops_retentionsweep_changelist", rule=subject)


@register("stream_lag")
def _streams(_subject: str) -> str:
    return reverse("admin:mlops_inboxevent_streams")


@register("experiment_guard_broken", "experiment_unbalanced")
def _experiment(subject: str) -> str:
    return page_with("mlops_experiment_changelist", q=subject)


@register("model_training_failed")
def _training(subject: str) -> str:
    return page_with("mlops_trainingrun_changelist", model=subject)


@register("model_load_failed")
def _version(subject: str) -> str:
    """Find the versions of a model by "model number"."""
    return page_with("mlops_modelversion_changelist", model=subject.rpartition(" ")[0])


@register(
    "model_feature_drift",
    "model_prediction_drift",
    "model_embedding_drift",
    "model_monitoring_failed",
)
def _drift(subject: str) -> str:
    return page_with("mlops_driftmeasurement_drift", model=subject)


@register("model_outcome_drop", "model_outcome_low", "model_miscalibrated", "model_outcomes_failed")
def _outcomes(subject: str) -> str:
    """Find the outcomes of a model by "model metric segment"."""
    return page_with("mlops_outcomecount_production", model=subject.split(" ", maxsplit=1)[0])
