"""
Benchmark of the console: every list page at 1,000,000 products and 10,000,000 price rows, warm.

`--products` and `--prices` choose other numbers. The rows of other lists grow with the products:
listings, offers, purchases and received events are as many, customers a fifth, runs a fiftieth.
Prints milliseconds and queries of each page of the sidebar, of each list beside it, and of lists
that are filtered, searched, sorted and turned to a later page. At most 300 ms each.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.figures import refresh_usual_figures
from tests.bench.comparison import Comparison, measure_seconds

SIZE = 1_000_000
"""Products."""
PRICES = 10_000_000
MAX_MILLISECONDS = 300.0
_STATEMENTS = Path(__file__).with_name("console_rows.sql")
_SEPARATOR = "\n-- next\n"
_INDEXES = """
SELECT index.relname, pg_get_indexdef(index.oid)
FROM pg_index JOIN pg_class index ON index.oid = indexrelid JOIN pg_class t ON t.oid = indrelid
WHERE t.relname IN ('products', 'supplier_listings', 'competitor_offers', 'price_history',
  'row_changes', 'store_stock', 'event_inbox') AND NOT indisunique AND NOT indisprimary
  AND NOT t.relispartition
"""
_VARIANTS = (
    ("catalog_product", {"p": "200"}),
    ("catalog_product", {"o": "8"}),
    ("catalog_product", {"category": "vapes"}),
    ("catalog_product", {"strain_type": "indica", "price_from": "20", "price_to": "40"}),
    ("catalog_product", {"missing": "strain type"}),
    ("catalog_product", {"state": "locked"}),
    ("catalog_product", {"q": "diesel 4711"}),
    ("catalog_product", {"q": "SKU-4711"}),
    ("catalog_supplierlisting", {"source": "ocs"}),
    ("catalog_supplierlisting", {"q": "SKU-4711"}),
    ("catalog_reviewitem", {"state": "all"}),
    ("catalog_matchdecision", {"verdict": "all"}),
    ("competitors_competitoroffer", {"match_status__exact": "proposed"}),
    ("competitors_competitoroffer", {"q": "diesel"}),
    ("competitors_pricesuggestion", {"q": "diesel"}),
    ("customers_customerprofile", {"q": "customer-4711"}),
    ("mlops_alert", {"state": "all"}),
    ("mlops_inboxevent", {"topic": "purchases"}),
    ("mlops_operation", {"kind__exact": "edit"}),
    ("mlops_quarantinedrecord", {"state": "all"}),
    ("mlops_rawrecord", {"source": "ocs"}),
)
"""Lists with parameters: page, column of the order, filters, search."""


def measure(
    *, rounds: int, size: int, advance: Callable[[], None], prices: int = PRICES
) -> list[Comparison]:
    """Return the milliseconds of each list page, with its number of queries in the name."""
    generate(products=size, prices=prices)
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.create_superuser("bench"))
    lines = [_measure_first_load(client, rounds)]
    # As the task does every hour.
    refresh_usual_figures()
    lines += [_measure_page(client, title, url, rounds) for title, url in pages()]
    for _ in range(rounds):
        advance()
    return lines


def generate(*, products: int, prices: int) -> None:
    """Insert the rows of a catalogue into the empty tables."""
    parameters = {"products": products, "prices": prices}
    with connection.cursor() as cursor:
        # An index over all rows at once takes a fraction of the time of one row after the other.
        cursor.execute(_INDEXES)
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        for statement in _STATEMENTS.read_text().split(_SEPARATOR)[1:]:
            cursor.execute(statement, parameters if "%" in statement else None)
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for _name, definition in indexes:
            cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE")


def pages() -> Iterator[tuple[str, str]]:
    """Yield title and address of the sidebar's pages, of all other lists, and of variants."""
    shown = set()
    for group in settings.UNFOLD["SIDEBAR"]["navigation"]:
        for entry in group["items"]:
            shown.add(str(entry["link"]))
            yield str(entry["title"]), str(entry["link"])
    for model in admin.site._registry:
        url = _list_url(_name(model))
        if url not in shown:
            yield str(model._meta.verbose_name_plural), url
    for name, parameters in _VARIANTS:
        query = urlencode(parameters)
        yield f"{name.split('_')[1]}?{query}", f"{_list_url(name)}?{query}"


def _name(model: type) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"  # type: ignore[attr-defined]


def _list_url(name: str) -> str:
    return reverse(f"admin:{name}_changelist")


def _measure_first_load(client: Client, rounds: int) -> Comparison:
    """Measure Home while nothing is cached."""
    line = Comparison(name="Home, first load", limit=MAX_MILLISECONDS, unit="ms", is_ceiling=True)
    url = reverse("admin:index")
    for _ in range(rounds):
        cache.clear()
        line.ratios.append(1000 * measure_seconds(partial(_open, client, url)))
    return line


def _measure_page(client: Client, title: str, url: str, rounds: int) -> Comparison:
    _open(client, url)
    with CaptureQueriesContext(connection) as queries:
        _open(client, url)
    line = Comparison(
        name=f"{title} ({len(queries)} queries)",
        limit=MAX_MILLISECONDS,
        unit="ms",
        is_ceiling=True,
    )
    for _ in range(rounds):
        line.ratios.append(1000 * measure_seconds(partial(_open, client, url)))
    return line


def _open(client: Client, url: str) -> None:
    response = client.get(url)
    if response.status_code != 200:
        raise AssertionError(f"{url}: status {response.status_code}")
