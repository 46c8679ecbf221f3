"""
Benchmark of incremental indexing: products per second from outbox to searchable.

Compared with the encoders alone on the same texts; at least 0.8 x.
"""

import time
from collections.abc import Callable

from tests.bench.comparison import Comparison, measure_seconds

SIZE = 2_000
_NAMES = (
    "Pink Kush",
    "Lemon Haze",
    "Blue Dream",
    "White Widow",
    "Sour Diesel",
    "Mango Haze",
    "Wedding Cake",
    "OG Kush",
)
_BRANDS = (
    "Pure Sunfarms",
    "Redecan",
    "Good Supply",
    "Spinach",
    "Tweed",
    "Back Forty",
    "Edison Cannabis Co",
)
_ENCODING_BATCH_SIZE = 256  # as in incremental indexing
# Creates or renames %(size)s products; the names differ in each round.
_UPSERT_PRODUCTS_SQL = """
INSERT INTO products (
  name, brand, category, strain_type, thc_percentage_low, thc_percentage_high, thc_percentage,
  weight_grams, price, terpenes, merge_key
)
SELECT
  (%(names)s::text[])[1 + n %% 8] || ' ' || n || ' ' || %(round)s,
  (%(brands)s::text[])[1 + n %% 7],
  'dried_flower',
  (ARRAY['indica', 'sativa', 'hybrid'])[1 + n %% 3],
  15 + n %% 8,
  20 + n %% 8,
  17 + n %% 8,
  3.5,
  20 + n %% 30,
  (ARRAY['{myrcene,limonene}', '{caryophyllene}', '{}'])[1 + n %% 3]::varchar[],
  'bench:' || n
FROM generate_series(1, %(size)s) n
ON CONFLICT (merge_key) DO UPDATE SET name = EXCLUDED.name
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return the ratio to the encoders alone, and products per second."""
    from django.db import connection

    from catalog.models import Product
    from vectors.encoders.registry import encoder
    from vectors.entities import EmbeddedEntity, entities
    from vectors.index.write import index_due_rows
    from vectors.models import OutboxEntry

    ratio = Comparison(
        name=f"{size} changed products, two collections, against the encoders alone", limit=0.8
    )
    rate = Comparison(name="from outbox to searchable", unit="products/s")
    index_due_rows()
    for number in range(rounds):
        with connection.cursor() as cursor:
            cursor.execute(
                _UPSERT_PRODUCTS_SQL,
                {"names": list(_NAMES), "brands": list(_BRANDS), "size": size, "round": number},
            )
        rows = list(Product.objects.order_by("pk"))
        texts_by_role = {
            entity.role: entity.texts(rows)
            for entity in entities().values()
            if isinstance(entity, EmbeddedEntity)
        }

        def encode(texts_by_role: dict[str, list[str]] = texts_by_role) -> None:
            for role, texts in texts_by_role.items():
                for start in range(0, len(texts), _ENCODING_BATCH_SIZE):
                    encoder(role).encode(texts[start : start + _ENCODING_BATCH_SIZE])

        # The order alternates, so that neither side always runs on the warmer machine.
        if number % 2:
            encoding_seconds = measure_seconds(encode)
        started_at = time.perf_counter()
        counts = index_due_rows()
        indexing_seconds = time.perf_counter() - started_at
        if not number % 2:
            encoding_seconds = measure_seconds(encode)
        assert counts["encoded"] == size * len(texts_by_role), counts
        assert not OutboxEntry.objects.exists()
        ratio.ratios.append(encoding_seconds / indexing_seconds)
        rate.ratios.append(size / indexing_seconds)
        advance()
    return [ratio, rate]
