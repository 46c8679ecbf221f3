"""/metrics: refused without the token; its figures follow what changes."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from catalog.models import CatalogSource
from competitors.models import CrawlStatus
from config.clients.redis import quick_redis
from config.observability import exporter
from config.observability.heartbeats import Heartbeat, publish
from config.telemetry.gauges import Snapshot
from mlops.models import Alert, GateResult, ModelVersion, Run, SystemMetric
from mlops.quality.alerts import open_alert
from tests.factories.competitors import CompetitorFactory
from tests.factories.mlops import OutboxEventFactory, QuarantinedRecordFactory
from tests.factories.registry import ModelVersionFactory
from vectors.models import OutboxEntry

pytestmark = pytest.mark.django_db
_Values = dict[tuple[str, ...], float]


@pytest.fixture(autouse=True)
def _gauges_are_read_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.METRICS_SECONDS = 0
    monkeypatch.setattr(exporter, "_snapshot", Snapshot())


def _scrape(client: Client) -> dict[str, _Values]:
    """Return the values by name of the sample, and by the values of its labels."""
    response = client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {settings.METRICS_TOKEN}")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    found: dict[str, _Values] = {}
    for family in text_string_to_metric_families(response.content.decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


@pytest.mark.parametrize(
    "header", ["", "Bearer ", "Bearer wrong", f"Basic {settings.METRICS_TOKEN}"]
)
def test_scrape_without_the_token_is_refused(client: Client, header: str) -> None:
    response = client.get("/metrics", HTTP_AUTHORIZATION=header)

    assert response.status_code == 401
    assert b"cultivar_" not in response.content


def test_without_a_token_in_the_settings_there_is_no_page(
    client: Client, settings: Settings
) -> None:
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer ").status_code == 404


def test_refused_scrape_is_a_security_event(client: Client) -> None:
    before = _scrape(client)["cultivar_security_events_total"].get(("metrics_refused",), 0)

    client.get("/metrics")

    after = _scrape(client)["cultivar_security_events_total"]["metrics_refused",]
    assert after == before + 1


def test_every_gauge_can_be_read(client: Client) -> None:
    failed = _scrape(client)["cultivar_gauge_readers_failed"]

    assert len(failed) >= 8
    assert set(failed.values()) == {0}


def test_request_is_recorded_by_its_route(client: Client) -> None:
    name, labels = "cultivar_request_duration_seconds_count", ("GET", "error-codes", "2xx")
    before = _scrape(client)[name].get(labels, 0)

    client.get("/api/errors/")

    assert _scrape(client)[name][labels] == before + 1


def test_address_without_a_route_is_no_label(client: Client) -> None:
    path = f"/{uuid4().hex}"

    client.get(path)

    durations = _scrape(client)["cultivar_request_duration_seconds_count"]
    assert ("GET", "unmatched", "4xx") in durations
    assert path not in repr(durations)


def test_identification_of_a_face_leaves_no_metric(client: Client) -> None:
    client.post("/api/v1/biometrics/identifications/")

    assert "identification" not in repr(_scrape(client))


def test_queued_task_is_counted_in_its_queue(client: Client) -> None:
    quick_redis().call(lambda redis: redis.delete("crawl"))
    before = _scrape(client)["cultivar_queue_tasks"]

    quick_redis().call(lambda redis: redis.rpush("crawl", "task"))
    after = _scrape(client)["cultivar_queue_tasks"]
    quick_redis().call(lambda redis: redis.delete("crawl"))

    assert before["crawl",] == 0
    assert after == {**before, ("crawl",): 1}


def test_worker_is_counted_for_each_of_its_queues(client: Client) -> None:
    now = timezone.now().timestamp()
    beat = Heartbeat(
        worker=uuid4().hex, queues=("embed", "ingest"), active=1, begun=1, waiting=0, at=now
    )
    before = _scrape(client)["cultivar_workers"]

    publish(beat)

    after = _scrape(client)["cultivar_workers"]
    assert {queue for queue in after if after[queue] > before[queue]} == {("embed",), ("ingest",)}


def test_source_that_delivered_long_ago_is_stale(client: Client) -> None:
    CatalogSource.objects.update(is_enabled=False)
    source = CatalogSource.objects.order_by("code")[0]
    CatalogSource.objects.filter(pk=source.pk).update(is_enabled=True)
    run = Run.objects.create(
        pipeline="catalog.supplier_products",
        source=source.code,
        status=Run.Status.SUCCEEDED,
        finished_at=timezone.now() - timedelta(hours=2),
    )
    fresh = _scrape(client)

    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=3))

    stale = _scrape(client)
    assert fresh["cultivar_source_stale"] == {(source.code,): 0}
    assert stale["cultivar_source_stale"] == {(source.code,): 1}
    assert stale["cultivar_source_age_seconds"][source.code,] == pytest.approx(3 * 86_400, abs=600)


def test_unfinished_run_is_the_lag_of_its_pipeline(client: Client) -> None:
    started_at = timezone.now() - timedelta(hours=1)
    Run.objects.create(
        pipeline="catalog.supplier_products",
        source="x",
        status=Run.Status.LANDED,
        started_at=started_at,
    )

    values = _scrape(client)

    pipeline = ("catalog.supplier_products",)
    assert values["cultivar_pipeline_unfinished_runs"] == {pipeline: 1}
    assert values["cultivar_pipeline_lag_seconds"][pipeline] == pytest.approx(3600, abs=600)


def test_lag_of_a_topic_is_the_sum_of_the_newest_of_its_partitions(client: Client) -> None:
    now = timezone.now()
    for source, value, seconds in (
        ("first system_metrics/0", 70, 60),
        ("second system_metrics/0", 3, 30),
        ("first system_metrics/1", 4, 60),
        ("first price_changes/0", 900, 3600),
    ):
        SystemMetric.objects.create(
            source=source,
            name="stream.lag",
            value=value,
            measured_at=now - timedelta(seconds=seconds),
        )

    assert _scrape(client)["cultivar_stream_lag_events"] == {("system_metrics",): 7}


def test_gates_of_the_newest_version_are_counted_by_outcome(client: Client) -> None:
    outdated, newest = ModelVersionFactory.create_batch(2)
    for version, outcomes in (
        (outdated, ("failed", "failed")),
        (newest, ("passed", "passed", "inconclusive")),
    ):
        for position, outcome in enumerate(outcomes):
            GateResult.objects.create(
                version=version,
                position=position,
                name=str(position),
                comparison=">",
                outcome=outcome,
            )

    model = ModelVersion.objects.get(pk=newest.pk).model
    assert _scrape(client)["cultivar_gates"] == {(model, "passed"): 2, (model, "inconclusive"): 1}


def test_competitors_are_counted_by_status(client: Client) -> None:
    CompetitorFactory.create(
        is_enabled=True,
        status=CrawlStatus.HEALTHY,
        crawl_every_hours=2,
        last_good_crawl_at=timezone.now() - timedelta(hours=7),
    )
    CompetitorFactory.create(
        is_enabled=True,
        status=CrawlStatus.HEALTHY,
        crawl_every_hours=24,
        last_good_crawl_at=timezone.now() - timedelta(hours=7),
    )
    CompetitorFactory.create(is_enabled=True, status=CrawlStatus.BLOCKED)

    values = _scrape(client)

    assert values["cultivar_competitors"]["healthy",] == 2
    assert values["cultivar_competitors"]["blocked",] == 1
    assert values["cultivar_competitors_overdue"] == {(): 1}


def test_alerts_quarantine_and_outboxes_are_counted(client: Client) -> None:
    Alert.objects.all().delete()
    OutboxEntry.objects.all().delete()
    before = _scrape(client)

    open_alert(code="stale", subject="x", message="m", severity="warning")
    QuarantinedRecordFactory.create()
    OutboxEventFactory.create(recorded_at=timezone.now() - timedelta(minutes=10))
    OutboxEntry.objects.create(table_name="products", row_id=uuid4())

    after = _scrape(client)
    assert before["cultivar_outbox_lag_seconds"][()] == 0
    assert after["cultivar_open_alerts"] == {("stale", "warning"): 1}
    quarantined = "cultivar_quarantined_records"
    assert after[quarantined][()] == before[quarantined][()] + 1
    assert after["cultivar_outbox_events"][()] == before["cultivar_outbox_events"][()] + 1
    assert after["cultivar_outbox_lag_seconds"][()] == pytest.approx(600, abs=300)
    assert after["cultivar_vector_outbox_rows"] == {("products",): 1}


def test_gauges_are_read_once_in_their_period(client: Client, settings: Settings) -> None:
    settings.METRICS_SECONDS = 3600
    Alert.objects.all().delete()
    _scrape(client)

    open_alert(code="stale", subject="x", message="m")

    assert "cultivar_open_alerts" not in _scrape(client)
    settings.METRICS_SECONDS = 0
    assert _scrape(client)["cultivar_open_alerts"] == {("stale", "error"): 1}


def test_server_that_does_not_answer_hides_no_other_figure(
    client: Client, settings: Settings
) -> None:
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }

    values = _scrape(client)

    assert values["cultivar_component_available"]["cache",] == 0
    assert values["cultivar_component_available"]["database",] == 1
    assert values["cultivar_gauge_readers_failed"]["config.queues",] == 1
    assert "cultivar_queue_tasks" not in values
    assert "cultivar_quarantined_records" in values
