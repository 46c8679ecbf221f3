"""Commands and tasks of crawls."""

from datetime import timedelta
from io import StringIO
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from competitors import crawls, tasks
from competitors.models import Competitor, CompetitorOffer
from mlops.models import Run
from tests.factories.competitors import CompetitorFactory
from tests.integration.locks import hold_lock_elsewhere
from tests.samples.competitors.server import SampleShops

pytestmark = pytest.mark.django_db(transaction=True)


def _run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def _add(*arguments: str) -> str:
    required = ("--name", "High Street", "--platform", "shopify", "--province", "ON")
    return _run("competitors", "add", "high-street", *required, *arguments)


def test_command_crawls_and_prints_the_counts(lakeside: Competitor) -> None:
    output = _run("crawl_competitor", "lakeside")

    offers = CompetitorOffer.objects.count()
    assert f"new {offers}" in output


def test_dry_run_of_the_command_writes_nothing(lakeside: Competitor) -> None:
    output = _run("crawl_competitor", "lakeside", "--dry-run", "--limit", "5")

    assert "new 100" in output
    assert not Run.objects.exists()


def test_command_replays_the_last_crawl(lakeside: Competitor, shops: SampleShops) -> None:
    crawls.crawl("lakeside")
    shops.requests.clear()

    output = _run("crawl_competitor", "lakeside", "--replay", "last")

    assert f"unchanged {CompetitorOffer.objects.count()}" in output
    assert shops.requests == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("unknown",), "CODE: unknown competitor 'unknown'; known: lakeside."),
        (("lakeside", "--limit", "0"), "--limit must be 1 or more."),
        (("lakeside", "--replay", "last"), "--replay: lakeside has no crawl 'last'"),
        (("lakeside", "--replay", "x"), "--replay: lakeside has no crawl 'x'"),
    ],
)
def test_errors_of_the_command_name_the_argument(
    lakeside: Competitor, arguments: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason.replace("?", r"\?")):
        _run("crawl_competitor", *arguments)


def test_failed_crawl_ends_the_command_with_the_reason(
    lakeside: Competitor, shops: SampleShops
) -> None:
    shops.fault = "challenge-200"

    with pytest.raises(CommandError, match="challenge") as raised:
        _run("crawl_competitor", "lakeside")

    assert raised.value.returncode == 2


def test_competitor_is_added_with_its_locations() -> None:
    output = _add(
        "--base-url", "http://127.0.0.1:9/high", "--location", "1=Main", "--location", "2"
    )

    competitor = Competitor.objects.get(code="high-street")
    assert output == "High Street (high-street): disabled\n"
    names = competitor.locations.order_by("platform_id").values_list("platform_id", "name")
    assert list(names) == [("1", "Main"), ("2", "2")]


def test_adding_again_changes_the_competitor() -> None:
    _add("--base-url", "http://127.0.0.1:9/high")

    _add("--base-url", "http://127.0.0.1:9/other", "--enable")

    competitor = Competitor.objects.get()
    assert (competitor.base_url, competitor.is_enabled) == ("http://127.0.0.1:9/other", True)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--base-url", "http://10.0.0.1/menu"), "base-url: .*private"),
        (("--base-url", "shop"), "base-url: "),
        (("--base-url", "http://127.0.0.1:9/", "--options", "{"), "--options: is not JSON"),
        (
            ("--base-url", "http://127.0.0.1:9/", "--requests-per-minute", "0"),
            "requests-per-minute: ",
        ),
    ],
)
def test_competitor_with_an_error_is_not_added(arguments: tuple[str, ...], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        _add(*arguments)

    assert not Competitor.objects.exists()


def test_list_shows_the_state_of_each_competitor(capsys: pytest.CaptureFixture[str]) -> None:
    CompetitorFactory.create(code="one", status="blocked", status_reason="challenge")

    _run("competitors", "list")

    output = capsys.readouterr().out
    assert all(text in output for text in ("one", "blocked", "challenge"))


def test_due_competitors_are_crawled_by_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    CompetitorFactory.create(code="due")
    CompetitorFactory.create(code="later", next_crawl_at=timezone.now() + timedelta(hours=1))
    delay = Mock()
    monkeypatch.setattr(tasks.crawl_competitor, "delay", delay)

    assert tasks.crawl_due_competitors() == {"started": 1}
    delay.assert_called_once_with(code="due")


def test_task_crawls_and_lets_new_offers_be_matched(
    lakeside: Competitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    delay = Mock()
    monkeypatch.setattr(tasks.match_offers, "delay", delay)

    counts = tasks.crawl_competitor(code="lakeside")

    assert counts["new"] == CompetitorOffer.objects.count()
    delay.assert_called_once_with()


def test_alerts_follow_the_matching_of_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    delay = Mock()
    monkeypatch.setattr(tasks.refresh_price_alerts, "delay", delay)

    assert tasks.match_offers() == {"compared": 0}
    delay.assert_called_once_with()


def test_task_that_was_queued_twice_crawls_once(
    lakeside: Competitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.match_offers, "delay", Mock())
    tasks.crawl_competitor(code="lakeside")

    assert tasks.crawl_competitor(code="lakeside") == {"skipped": 1}


def test_task_leaves_a_crawl_in_progress_alone(lakeside: Competitor) -> None:
    with hold_lock_elsewhere("source:competitor:lakeside"):
        assert tasks.crawl_competitor(code="lakeside") == {"skipped": 1}


def test_second_crawl_at_the_same_time_is_refused(lakeside: Competitor) -> None:
    with (
        hold_lock_elsewhere("source:competitor:lakeside"),
        pytest.raises(CommandError, match="in progress"),
    ):
        _run("crawl_competitor", "lakeside", "--wait", "0")
