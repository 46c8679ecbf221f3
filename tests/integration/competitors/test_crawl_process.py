"""The crawling process: address guard, bounded memory, end with its parent, previews."""

import os
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from pytest_django.fixtures import Settings

from competitors import crawls
from competitors.ingest.crawling.jobs import CrawlEnd
from competitors.ingest.crawling.process import run_crawl
from competitors.models import Competitor, CompetitorOffer
from competitors.selectors.competitors import crawl_job
from config.errors import CultivarError
from mlops.models import RawRecord, Run
from tests.samples.competitors.server import SampleShops
from tests.samples.competitors.shops import SHOPS

pytestmark = pytest.mark.django_db(transaction=True)
LAKESIDE = SHOPS[0]
# Answers the names of tests: the first look-up with the address of the server, later ones with that
# of a metadata service.
_REBINDING = """
    import socket
    from itertools import count
    lookups = count()
    original = socket.getaddrinfo
    def getaddrinfo(host, port, *args, **kwargs):
        if host != "rebind.localhost":
            return original(host, port, *args, **kwargs)
        address = "127.0.0.1" if next(lookups) == 0 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]
    socket.getaddrinfo = getaddrinfo
"""


def _paths() -> list[str]:
    return [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/menu",
        "http://10.0.0.7/menu",
        "http://[::ffff:192.168.1.1]/menu",
        "http://0x7f000001/menu",
        "ftp://shop.example/menu",
    ],
)
def test_address_that_is_not_public_is_never_connected_to(
    lakeside: Competitor, address: str
) -> None:
    Competitor.objects.update(base_url=address)

    with pytest.raises(CultivarError) as raised:
        crawls.crawl("lakeside")

    assert raised.value.code in {"crawl_unsafe", "shop_unavailable"}
    assert not RawRecord.objects.exists()


def test_name_that_is_bound_to_another_address_during_the_crawl_is_refused(
    lakeside: Competitor,
    shops: SampleShops,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(_REBINDING))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *_paths()]))
    port = shops.server_address[1]
    Competitor.objects.update(base_url=f"http://rebind.localhost:{port}/lakeside")
    shops.closes_connections = True

    with pytest.raises(CultivarError) as raised:
        crawls.crawl("lakeside")

    assert raised.value.code == "crawl_unsafe"
    assert [request.path for request in shops.requests] == ["/robots.txt"]
    assert not CompetitorOffer.objects.exists()


def test_proxy_of_the_environment_is_not_used(
    lakeside: Competitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert crawls.crawl("lakeside").status == Run.Status.SUCCEEDED


def test_process_ends_with_the_generator(lakeside: Competitor, shops: SampleShops) -> None:
    shops.block_from(2)
    messages = run_crawl(crawl_job(lakeside))
    next(messages)
    children = psutil.Process().children()

    messages.close()

    assert children
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_large_menu_needs_little_memory(lakeside: Competitor, shops: SampleShops) -> None:
    item = dict(shops.shops["lakeside"].items[LAKESIDE.location]()[0])
    items = [{**item, "id": number, "text": "x" * 100_000} for number in range(1_000)]
    shops.shops["lakeside"].items = {LAKESIDE.location: lambda: items}
    shops.max_page_size = 50
    peak = 0
    end = None

    for message in run_crawl(crawl_job(lakeside)):
        for child in psutil.Process().children():
            peak = max(peak, child.memory_info().rss)
        end = message

    assert isinstance(end, CrawlEnd)
    assert end.failure is None
    assert end.stats["response bytes"] > 100_000_000
    assert peak < 400 * 2**20


def test_preview_shows_offers_and_refusals_of_a_page_and_writes_nothing(
    lakeside: Competitor, shops: SampleShops
) -> None:
    items = [dict(item) for item in shops.shops["lakeside"].items[LAKESIDE.location]()]
    items[0] = {**items[0], "attributes": {**items[0]["attributes"], "name": ""}}
    shops.shops["lakeside"].items = {LAKESIDE.location: lambda: items}

    preview = crawls.preview_page("lakeside")

    assert preview.problem == ""
    assert preview.page is not None
    assert preview.page.body.startswith(b"{")
    assert len(preview.offers) == 99
    assert [refusal.field for refusal in preview.refusals] == ["name"]
    assert preview.robots is not None
    assert preview.robots.is_allowed
    assert len(shops.menu_requests) == 1
    assert not Run.objects.exists()
    assert not RawRecord.objects.exists()


def test_preview_shows_the_page_that_blocks_with_the_reason(
    lakeside: Competitor, shops: SampleShops
) -> None:
    shops.fault = "challenge-403"

    preview = crawls.preview_page("lakeside")

    assert preview.page is not None
    assert (preview.page.status, preview.offers) == (403, ())
    assert "challenge" in preview.problem


def test_competitor_without_an_enabled_location_is_not_crawled(
    lakeside: Competitor, shops: SampleShops
) -> None:
    lakeside.locations.update(is_enabled=False)

    preview = crawls.preview_page("lakeside")

    assert preview.problem == "No location of the competitor is enabled."
    assert shops.requests == []


def test_process_that_cannot_start_leaves_a_failed_run(
    lakeside: Competitor, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(CultivarError) as raised:
        crawls.crawl("lakeside")

    assert raised.value.code == "crawl_stopped"
    assert Run.objects.get().status == Run.Status.FAILED
