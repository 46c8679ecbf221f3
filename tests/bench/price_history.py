"""
Benchmark of observed prices: a product's year and the price board's page against plain SQL.

Generates observations of one a day and offer for a year (10,000,000 by default), five offers to a
product. The plain SQL returns the same rows: lowest, highest and last price, unit price and stock
by day and competitor; and fifty products by name with lowest, median and highest price, rank and
index, by the limits in force. At most 1.3 x each. Further lines: pages of the console in
milliseconds, the board at most 300.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product
from competitors.selectors.price_position import Keyset, price_positions
from competitors.selectors.price_series import price_series
from tests.bench.comparison import Comparison, measure_alternately, measure_seconds

SIZE = 10_000_000
MAX_RATIO = 1.3
MAX_PAGE_MILLISECONDS = 300.0
_DAYS = 365
_OFFERS_OF_PRODUCT = 5
_PAGE_SIZE = 50
_REPEATS = 20
"""Queries of a round, each for another product or page."""

_GENERATE = (
    # Triggers announce single changes; nothing listens here.
    "SET session_replication_role = replica",
    """
    INSERT INTO competitors (id, code, name, platform, base_url, options, province, language,
      crawl_every_hours, requests_per_minute, max_pages, status, status_reason, failed_crawls,
      robots_reason)
    SELECT gen_random_uuid(), 'shop-' || n, 'Shop ' || n, 'shopify', 'http://127.0.0.1:9', '{}',
      'ON', 'en', 24, 30, 2000, 'healthy', '', 0, ''
    FROM generate_series(1, 50) n
    """,
    """
    INSERT INTO products (merge_key, name, brand, category, price, source, search_document)
    SELECT 'bench:' || n, 'Kush ' || n, 'Brand ' || n %% 500,
      (ARRAY['dried_flower','vapes','edibles','pre_rolls'])[1 + n %% 4], 10 + n %% 90, 'bench', ''
    FROM generate_series(1, %(products)s) n
    """,
    """
    INSERT INTO competitor_offers (external_id, competitor_id, product_id, match_status, matched_at,
      name, brand, category, size, language, gtin, sku, url, thc, cbd, regular_price, net_price,
      promotions, currency, is_tax_included, stock, confidence, content_hash, capture_hash,
      extractor_version, first_seen_at, last_seen_at, missed_crawls, dried_equivalent_grams)
    SELECT 'item-' || p.id || '-' || n, c.id, p.id, 'automatic', now(), p.name, p.brand, p.category,
      '3.5 g', 'en', '', '', '', '', '', p.price + n, p.price + n, '[]', 'CAD', false, 'in_stock',
      1, '', '', '1', now(), now(), 0, 3.5
    FROM (SELECT *, row_number() OVER (ORDER BY merge_key) AS number FROM products) p
    CROSS JOIN generate_series(1, %(offers)s) n
    JOIN (SELECT id, row_number() OVER (ORDER BY code) AS number FROM competitors) c
      ON c.number = 1 + (p.number * 7 + n * 11) %% 50
    """,
    """
    INSERT INTO price_history (product_id, offer_id, competitor, price, regular_price,
      in_stock, stock, scraped_at, currency, is_tax_included, unit_price, confidence)
    SELECT o.product_id, o.id, c.code, o.regular_price + day %% 5, o.regular_price + day %% 5,
      day %% 9 > 0, 'in_stock', now() - day * interval '1 day', 'CAD', false,
      (o.net_price + day %% 5) / 3.5, 1
    FROM generate_series(0, %(days)s - 1) day
    CROSS JOIN competitor_offers o JOIN competitors c ON c.id = o.competitor_id
    """,
    "SET session_replication_role = DEFAULT",
)
_PLAIN_YEAR = """
SELECT date_trunc('day', scraped_at AT TIME ZONE %(zone)s)::date, competitor, min(price),
  max(price), (array_agg(price ORDER BY scraped_at DESC))[1],
  (array_agg(unit_price ORDER BY scraped_at DESC))[1], bool_or(in_stock), count(*)
FROM price_history
WHERE product_id = %(product)s AND scraped_at >= %(start)s AND currency = 'CAD'
GROUP BY 1, 2 ORDER BY 1, 2
"""
_PLAIN_LIMITS = """
SELECT min_evidence_confidence, max_evidence_age_hours * interval '1 hour'
FROM price_guard_settings WHERE effective_on <= current_date ORDER BY effective_on DESC LIMIT 1
"""
_PLAIN_BOARD = """
SELECT p.id, p.name, p.brand, p.category, p.price, s.*, round(p.price / s.median::numeric, 4)
FROM (
  SELECT * FROM products WHERE merged_into_id IS NULL AND name > %(name)s ORDER BY name, id LIMIT 50
) p LEFT JOIN LATERAL (
  SELECT count(*), min(price), percentile_cont(0.5) WITHIN GROUP (ORDER BY price) AS median,
    max(price), count(*) FILTER (WHERE price < p.price) + 1 AS rank
  FROM (
    SELECT min(net_price) AS price FROM competitor_offers
    WHERE product_id = p.id AND match_status IN ('automatic', 'confirmed') AND gone_at IS NULL
      AND stock <> 'out' AND confidence >= %(confidence)s AND last_seen_at > now() - %(age)s
    GROUP BY competitor_id
  ) o
) s ON true
ORDER BY p.name, p.id
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return the ratios of a product's year and of a board page, and times of pages."""
    offers = max(_OFFERS_OF_PRODUCT, size // _DAYS)
    _generate(offers // _OFFERS_OF_PRODUCT)
    rows = Product.objects.values_list("pk", "name")
    products = random.Random(1).sample(list(rows.order_by("pk")), min(200, rows.count()))
    year = Comparison(name="year of a product, against SQL", limit=MAX_RATIO, is_ceiling=True)
    board = Comparison(name="page of the board, against SQL", limit=MAX_RATIO, is_ceiling=True)
    for number in range(rounds):
        chosen = [products[(number * _REPEATS + n) % len(products)] for n in range(_REPEATS)]
        ids = [pk for pk, _name in chosen]
        ours, peer = measure_alternately(
            number, partial(_each, _our_year, ids), partial(_each, _plain_year, ids)
        )
        year.ratios.append(ours / peer)
        ours, peer = measure_alternately(
            number, partial(_each, _our_board, chosen), partial(_each, _plain_board, chosen)
        )
        board.ratios.append(ours / peer)
        advance()
    return [year, board, *_page_times(rounds, products)]


def _generate(products: int) -> None:
    parameters = {"products": products, "offers": _OFFERS_OF_PRODUCT, "days": _DAYS}
    with connection.cursor() as cursor:
        for statement in _GENERATE:
            cursor.execute(statement, parameters if "%" in statement else None)
        cursor.execute("VACUUM ANALYZE")


def _each(query: Callable[[Any], int], arguments: list[Any]) -> None:
    for argument in arguments:
        if not query(argument):
            raise AssertionError(f"no rows for {argument}")


def _our_year(product_id: UUID) -> int:
    today = timezone.localdate()
    return len(price_series([product_id], start=today - timedelta(days=_DAYS), end=today))


def _plain_year(product_id: UUID) -> int:
    parameters: dict[str, UUID | datetime | str] = {
        "product": product_id,
        "start": timezone.now() - timedelta(days=_DAYS),
        "zone": timezone.get_default_timezone_name(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PLAIN_YEAR, parameters)
        return len(cursor.fetchall())


def _our_board(product: tuple[UUID, str]) -> int:
    pk, name = product
    return len(price_positions(page=Keyset(limit=_PAGE_SIZE, after=(name, pk)))) or 1


def _plain_board(product: tuple[UUID, str]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_PLAIN_LIMITS)
        confidence, age = cursor.fetchone()
        cursor.execute(_PLAIN_BOARD, {"name": product[1], "confidence": confidence, "age": age})
        return len(cursor.fetchall()) or 1


def _page_times(rounds: int, products: list[tuple[UUID, str]]) -> list[Comparison]:
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.create_superuser("bench", password="bench"))
    board = reverse("admin:competitors_competitoroffer_board")
    product = reverse("admin:catalog_product_change", args=[products[0][0]])
    addresses = {
        "board": board,
        "board by index": f"{board}?sort=-index",
        "board, a category above the median": f"{board}?category=vapes&position=above",
        "product page": product,
    }
    lines = []
    for name, address in addresses.items():
        line = Comparison(
            name=f"console: {name}",
            limit=MAX_PAGE_MILLISECONDS if name.startswith("board") else None,
            unit="ms",
            is_ceiling=True,
        )
        client.get(address)
        for _ in range(rounds):
            line.ratios.append(1000 * measure_seconds(partial(_open, client, address)))
        lines.append(line)
    return lines


def _open(client: Client, address: str) -> None:
    response = client.get(address)
    if response.status_code != 200:
        raise AssertionError(f"{address}: status {response.status_code}")
