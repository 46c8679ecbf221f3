"""Offers whose prices follow a rule: by category, brand, size and competitor, with noise."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
_CATEGORIES = {
    "dried_flower": (8.0, (1.0, 3.5, 7.0, 28.0)),
    "extracts": (30.0, (0.5, 1.0, 2.0)),
    "edibles": (6.0, (10.0,)),
}
"""Price per unit, and grams of the packages."""
_BRANDS = (
    "Acorn",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elm",
    "Fir",
    "Ginkgo",
    "Hazel",
    "Ironwood",
    "Juniper",
    "Larch",
    "Maple",
)
_WORDS = ("Blue", "Pink", "Lemon", "Ghost", "Cherry", "Diesel", "Haze", "Kush", "Mint", "Berry")
_KINDS = {"Live": 1.4, "Value": 0.7, "Craft": 1.2, "": 1.0}
"""Factors of words in names."""


def offers(
    *, products: int = 160, weeks: int = 8, competitors: int = 4, noise: float = 0.06, seed: int = 0
) -> pyarrow.Table:
    """Return weekly offers with the columns of the training set, the newest before AS_OF."""
    from competitors.price_evaluation import complete_columns

    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for number in range(products):
        item, price = _product(rng, number)
        for competitor in rng.choice(competitors, size=rng.integers(1, 4), replace=False):
            level = (0.9 + 0.07 * competitor) * np.exp(rng.normal(0, noise))
            for week in range(weeks):
                observed_at = AS_OF - timedelta(days=7 * week + 1, minutes=int(competitor))
                rows.append(
                    {
                        **item,
                        "observation_id": f"{number}-{competitor}-{week}",
                        "competitor": f"shop-{competitor}",
                        "location": f"shop-{competitor}",
                        "observed_at": observed_at,
                        "price": round(price * level, 2),
                    }
                )
    rows.sort(key=lambda row: (row["observed_at"], row["observation_id"]))
    return complete_columns(pyarrow.Table.from_pylist(rows))


def _product(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], float]:
    """Return attributes of a product and its price."""
    category = list(_CATEGORIES)[number % len(_CATEGORIES)]
    unit_price, sizes = _CATEGORIES[category]
    grams = float(rng.choice(sizes))
    brand = int(rng.integers(len(_BRANDS)))
    kind = str(rng.choice(list(_KINDS)))
    thc = float(rng.uniform(15, 30))
    discount = grams**-0.15 if category == "dried_flower" else 1.0
    unit_price *= (0.7 + 0.06 * brand) * _KINDS[kind] * discount * (0.8 + thc / 100)
    quantity = 1.0 if category == "edibles" else grams
    item = {
        "product_id": "",
        "name": f"{kind} {' '.join(rng.choice(_WORDS, 2))} No. {number}",
        "brand": _BRANDS[brand],
        "category": category,
        "strain_type": str(rng.choice(["indica", "sativa", "hybrid"])),
        "terpenes": "myrcene,limonene" if number % 2 else "",
        "province": "ON" if number % 5 else "AB",
        "thc_percentage": thc,
        "weight_grams": grams,
    }
    return item, unit_price * quantity
