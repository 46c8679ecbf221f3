"""Products a second from noted row to searchable, against the encoders alone on the same texts: at least 0.8 x."""

import time
from collections.abc import Callable

from tests.bench.comparing import Comparison, seconds

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
_MAKE = """
INSERT INTO products (name, brand, category, strain_type, thc_percentage_low, thc_percentage_high, thc_percentage,
  weight_grams, price, terpenes, merge_key)
SELECT (%(names)s::text[])[1 + n %% 8] || ' ' || n || ' ' || %(round)s, (%(brands)s::text[])[1 + n %% 7], 'dried-flower',
  (ARRAY['indica', 'sativa', 'hybrid'])[1 + n %% 3], 15 + n %% 8, 20 + n %% 8, 17 + n %% 8, 3.5, 20 + n %% 30,
  (ARRAY['{myrcene,limonene}', '{caryophyllene}', '{}'])[1 + n %% 3]::varchar[], 'bench:' || n
FROM generate_series(1, %(size)s) n
ON CONFLICT (merge_key) DO UPDATE SET name = EXCLUDED.name
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return the ratio, and products a second."""
    from django.db import connection

    from catalog.models import Product
    from vectors.encoders.registry import encoder
    from vectors.entities import EmbeddedEntity, entities
    from vectors.index.write import index_due
    from vectors.models import OutboxEntry

    against = Comparison(
        name=f"{size} changed products, two collections, against the encoders alone", limit=0.8
    )
    rate = Comparison(name="from noted to searchable", unit="products/s")
    index_due()
    for number in range(rounds):
        with connection.cursor() as cursor:
            cursor.execute(
                _MAKE,
                {"names": list(_NAMES), "brands": list(_BRANDS), "size": size, "round": number},
            )
        rows = list(Product.objects.order_by("pk"))
        texts = {
            e.role: e.texts(rows) for e in entities().values() if isinstance(e, EmbeddedEntity)
        }

        def encode(texts: dict[str, list[str]] = texts) -> None:
            for role, told in texts.items():
                for start in range(0, len(told), 256):  # as they come when rows are indexed
                    encoder(role).encode(told[start : start + 256])

        if number % 2:
            alone = seconds(encode)
        started = time.perf_counter()
        done = index_due()
        spent = time.perf_counter() - started
        if not number % 2:
            alone = seconds(encode)
        assert done["encoded"] == size * len(texts), done
        assert not OutboxEntry.objects.exists()
        against.ratios.append(alone / spent)
        rate.ratios.append(size / spent)
        advance()
    return [against, rate]
