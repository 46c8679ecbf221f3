"""What of a product is searchable by meaning. Effects stay out of it."""

import math
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from catalog.audiences import PRODUCT_FIELDS
from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product
from catalog.reference.terpenes import terpenes
from vectors.declaring import EmbeddedEntity, register
from vectors.encoders.base import Vectors
from vectors.encoders.features import FeatureLayout

# Slots: potency and price as fractions of a usual most; a one for each type, category and terpene.
LAYOUT = FeatureLayout(
    version="products-2",
    slots=(
        "thc_low", "thc_high", "cbd_low", "cbd_high", "log_price", "log_price_per_gram", "log_grams",
        *(f"type:{t}" for t in sorted(set(STRAIN_TYPES.values()))),
        *(f"category:{c}" for c in sorted(set(CATEGORIES.values()))),
        *(f"terpene:{t}" for t in sorted(terpenes())),
    ),
)  # fmt: skip


ENCODED = (
    "name", "brand", "category", "strain_type", "strain", "terpenes", "lineage", "price", "weight_grams",
    "thc_percentage", "thc_percentage_low", "thc_percentage_high", "cbd_percentage", "cbd_percentage_low",
    "cbd_percentage_high",
)  # fmt: skip
"""Fields of a product that are read here."""


@register
class ProductEmbedding(EmbeddedEntity):
    """Products by what they are called and what they are."""

    collection = "product_embeddings"
    layout_version = LAYOUT.version
    audiences = {name: PRODUCT_FIELDS[name] for name in ENCODED}  # a declaration, never changed
    scalar_fields = {  # a declaration, never changed
        "thc_percentage": "float", "cbd_percentage": "float", "strain_type": "text", "price": "float",
    }  # fmt: skip

    def queryset(self) -> QuerySet[Product]:
        # Only these are read from the database: a field that is not declared would cost a query a row, and a test sees it.
        return Product.objects.current().only("id", "updated_at", *ENCODED)

    def texts(self, rows: Sequence[Product]) -> list[str]:
        return [_text(row) for row in rows]

    def features(self, rows: Sequence[Product]) -> Vectors:
        return LAYOUT.encode([_numbers(row) for row in rows], [_names(row) for row in rows])

    def scalars(self, row: Product) -> dict[str, str | float]:
        return {
            "thc_percentage": _float(row.thc_percentage),
            "cbd_percentage": _float(row.cbd_percentage),
            "strain_type": row.strain_type or "",
            "price": _float(row.price),
        }


def _text(row: Product) -> str:
    aromas = {word: None for key in row.terpenes if key in terpenes() for word in terpenes()[key].aromas_en.split()}
    parts = (row.name, row.brand, row.category, row.strain_type, row.strain, *row.terpenes, *aromas)
    return " ".join(part.replace("-", " ") for part in parts if part)


def _numbers(row: Product) -> dict[str, float]:
    price, grams = _float(row.price), _float(row.weight_grams)
    numbers = {
        "thc_low": _float(row.thc_percentage_low) / 35,
        "thc_high": _float(row.thc_percentage_high) / 35,
        "cbd_low": _float(row.cbd_percentage_low) / 25,
        "cbd_high": _float(row.cbd_percentage_high) / 25,
        "log_price": math.log1p(price) / 6,
        "log_price_per_gram": math.log1p(price / grams) / 4 if grams else 0.0,
        "log_grams": math.log1p(grams) / 4,
        f"type:{row.strain_type}": 1.0,
        f"category:{row.category}": 1.0,
    }
    return numbers | {f"terpene:{key}": 1 / (place + 1) for place, key in enumerate(row.terpenes)}


def _names(row: Product) -> list[str]:
    pairs = (("brand", row.brand), ("strain", row.strain), *(("parent", parent) for parent in row.lineage))
    return [f"{kind}:{name.lower()}" for kind, name in pairs if name]


def _float(value: Any) -> float:
    return float(value) if value is not None else 0.0
