"""Celery tasks of competitors; each calls one service and returns its counts."""

from django.utils import timezone

from competitors import crawls
from competitors.selectors.competitors import due_competitors
from competitors.services import offer_matching, price_alerts, price_suggestions
from mlops.models import Run
from mlops.pipelines.tasks import pipeline_task


@pipeline_task()
def crawl_due_competitors() -> dict[str, int]:
    """Start a task for each competitor whose crawl is due."""
    due = due_competitors(timezone.now())
    for competitor in due:
        crawl_competitor.delay(code=competitor.code)
    return {"started": len(due)}


@pipeline_task(soft_time_limit=6_000)
def crawl_competitor(*, code: str, is_forced: bool = False, accept: bool = False) -> dict[str, int]:
    """
    Crawl a competitor unless another task has done so since it was due.

    is_forced: crawl also when it is not due. accept: proceed despite an objection of the guard.
    """
    is_wanted = is_forced or accept
    run = crawls.crawl(code, accept=accept) if is_wanted else crawls.crawl_due(code)
    if run is None:
        return {"skipped": 1}
    if run.new or run.changed:
        match_offers.delay()
    return _run_counts(run)


@pipeline_task(soft_time_limit=1_800)
def match_offers() -> dict[str, int]:
    """Match offers that are due; then let alerts follow the prices that were observed."""
    compared = offer_matching.match_offers().compared
    refresh_price_alerts.delay()
    return {"compared": compared}


@pipeline_task(soft_time_limit=600)
def refresh_price_alerts() -> dict[str, int]:
    """Open and close alerts about prices: undercut, jump, back in stock, below the minimum."""
    return price_alerts.refresh_price_alerts()


@pipeline_task(soft_time_limit=3_600)
def suggest_prices() -> dict[str, int]:
    """Suggest prices by the deployed model, inside the price guards."""
    return price_suggestions.suggest_prices()


@pipeline_task(soft_time_limit=600)
def measure_price_outcomes() -> dict[str, int]:
    """Compare sales before and after approved prices."""
    return price_suggestions.measure_outcomes()


def _run_counts(run: Run) -> dict[str, int]:
    return {
        "new": run.new,
        "changed": run.changed,
        "unchanged": run.unchanged,
        "rejected": run.rejected,
    }
