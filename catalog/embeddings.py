"""Vector entities of products: which fields are encoded, and how. Effects are never encoded."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from catalog.audiences import PRODUCT_FIELDS
from catalog.ingest.vocabulary import CATEGORIES, SEARCH_WORDS, STRAIN_TYPES
from catalog.models import Product
from catalog.reference.strains import name_key, strain_flavors
from catalog.reference.terpenes import terpenes
from config.api.keys import Audience
from vectors.encoders.base import Vectors
from vectors.encoders.features import FeatureLayout
from vectors.encoders.registry import encoder
from vectors.entities import EmbeddedEntity, register
from vectors.errors import ModelMissing

LAYOUT = FeatureLayout(
    version="products-3",
    groups={
        # Percent by mass as a fraction of 35 (THC) and 25 (CBD); milligrams on a logarithmic scale;
        # a terpene by its rank: the strongest 1, the next 1/2, …
        "chemistry": (
            "thc_low",
            "thc_high",
            "cbd_low",
            "cbd_high",
            "log_thc_mg",
            "log_cbd_mg",
            *(f"terpene:{t}" for t in sorted(terpenes())),
        ),
        # One-hot: strain type, category and form.
        "type": (
            *(f"type:{t}" for t in sorted(set(STRAIN_TYPES.values()))),
            *(f"category:{c}" for c in sorted(set(CATEGORIES.values()))),
            "form:multi_unit",
            "form:infused",
            "form:milled",
            "log_grams",
        ),
        # CAD and CAD per gram, on a logarithmic scale.
        "price": ("log_price", "log_price_per_gram"),
        # Brand, strain, claimed parents and flavors are hashed into the remaining slots: the group
        # `names`.
    },
)
"""Feature slots by group, as in `explain_similarities`; any change requires a new version."""

ENCODED = (
    "name",
    "name_fr",
    "brand",
    "category",
    "strain_type",
    "strain",
    "terpenes",
    "lineage",
    "price",
    "weight_grams",
    "volume_ml",
    "unit_count",
    "thc_percentage",
    "thc_percentage_low",
    "thc_percentage_high",
    "cbd_percentage",
    "cbd_percentage_low",
    "cbd_percentage_high",
    "thc_mg",
    "cbd_mg",
)
"""Encoded fields; the triggers in `migrations/sql/vector_outbox.sql` record their changes."""
_SCALARS = {
    "thc_percentage": "float",
    "cbd_percentage": "float",
    "price": "float",
    "strain_type": "text",
    "category": "text",
    "brand_key": "text",
}
_AUDIENCES: Mapping[str, Audience] = {
    **{name: PRODUCT_FIELDS[name] for name in ENCODED},
    "brand_key": PRODUCT_FIELDS["brand"],
}
_FORMS = {
    "infused": ("infused", "infus"),
    "milled": ("milled", "grind", "moulu", "ready to roll", "ready-to-roll"),
}


class ProductVectors(EmbeddedEntity):
    """Common configuration of product vectors."""

    table = "products"
    scalar_fields = _SCALARS
    audiences = _AUDIENCES

    def queryset(self) -> QuerySet[Product]:
        # Only declared fields are loaded: reading another one costs a query per row, which a test
        # detects.
        return Product.objects.current().only("id", *ENCODED)

    def scalars(self, row: Product) -> dict[str, str | float]:
        return {
            "thc_percentage": _float(row.thc_percentage, unknown=-1),
            "cbd_percentage": _float(row.cbd_percentage, unknown=-1),
            "price": _float(row.price, unknown=-1),
            "strain_type": row.strain_type or "",
            "category": row.category or "",
            "brand_key": name_key(row.brand or ""),
        }


@register
class ProductEmbedding(ProductVectors):
    """Products as English text joined with features."""

    collection = "product_embeddings"
    role = "text"
    layout = LAYOUT
    # Chosen by NDCG@10 on two halves of the judged queries: docs/benchmarks/.
    text_weight = 0.6

    def texts(self, rows: Sequence[Product]) -> list[str]:
        return [_english_text(row) for row in rows]

    def features(self, rows: Sequence[Product]) -> Vectors:
        return LAYOUT.encode(
            [_feature_values(row) for row in rows], [_hashed_names(row) for row in rows]
        )


@register
class ProductText(ProductVectors):
    """Products as bilingual text."""

    collection = "product_texts"
    role = "multilingual"

    def texts(self, rows: Sequence[Product]) -> list[str]:
        return [_bilingual_text(row) for row in rows]


@register
class ProductImage(ProductVectors):
    """Products in the image space, encoded from text, since no row has an image yet."""

    collection = "product_images"
    role = "image"

    def texts(self, rows: Sequence[Product]) -> list[str]:
        return [f"a package of {_english_text(row)}" for row in rows]

    def is_available(self) -> bool:
        try:
            encoder(self.role)
        except ModelMissing:
            return False
        return True


def query_features(
    *, strain_types: Sequence[str], categories: Sequence[str], terpene_keys: Sequence[str]
) -> Vectors:
    """Return the features (384,) of a query, comparable with features of products."""
    values = {
        **{f"type:{strain_type}": 1.0 for strain_type in strain_types},
        **{f"category:{category}": 1.0 for category in categories},
        **{f"terpene:{key}": 1.0 for key in terpene_keys},
    }
    features: Vectors = LAYOUT.encode([values], [[]])[0]
    return features


def _english_text(row: Product) -> str:
    aromas = _aromas(row.terpenes, "aromas_en")
    parts = (
        row.name,
        row.brand,
        row.category,
        row.strain_type,
        row.strain,
        *row.terpenes,
        *aromas,
        *_flavors(row),
    )
    return " ".join(part.replace("-", " ").replace("_", " ") for part in parts if part)


def _bilingual_text(row: Product) -> str:
    names = (
        row.name if not row.name_fr or row.name_fr == row.name else f"{row.name} / {row.name_fr}"
    )
    types = [SEARCH_WORDS.get(word or "", "") for word in (row.category, row.strain_type)]
    french = [terpenes()[key].fr for key in row.terpenes if key in terpenes()]
    aromas = [*_aromas(row.terpenes[:3], "aromas_en"), *_aromas(row.terpenes[:3], "aromas_fr")]
    parts = (names, row.brand, *types, row.strain, *french, *aromas, *_flavors(row))
    return ", ".join(part for part in parts if part)


def _aromas(keys: Sequence[str], column: str) -> list[str]:
    aromas = (getattr(terpenes()[key], column).split() for key in keys if key in terpenes())
    return list(dict.fromkeys(word for words in aromas for word in words))


def _flavors(row: Product) -> tuple[str, ...]:
    return strain_flavors(row.strain) if row.strain else ()


def _feature_values(row: Product) -> dict[str, float]:
    price = _float(row.price)
    grams = _float(row.weight_grams)
    name = f"{row.name} {row.name_fr or ''}".lower()
    values = {
        "thc_low": _float(row.thc_percentage_low) / 35,
        "thc_high": _float(row.thc_percentage_high) / 35,
        "cbd_low": _float(row.cbd_percentage_low) / 25,
        "cbd_high": _float(row.cbd_percentage_high) / 25,
        "log_thc_mg": math.log1p(_float(row.thc_mg)) / 7,
        "log_cbd_mg": math.log1p(_float(row.cbd_mg)) / 7,
        "log_price": math.log1p(price) / 6,
        "log_price_per_gram": math.log1p(price / grams) / 4 if grams else 0.0,
        "log_grams": math.log1p(grams) / 4,
        "form:multi_unit": 1.0 if (row.unit_count or 0) > 1 else 0.0,
        f"type:{row.strain_type}": 1.0,
        f"category:{row.category}": 1.0,
        **{
            f"form:{form}": 1.0
            for form, words in _FORMS.items()
            if any(word in name for word in words)
        },
    }
    terpene_values = {f"terpene:{key}": 1 / rank for rank, key in enumerate(row.terpenes, start=1)}
    return values | terpene_values


def _hashed_names(row: Product) -> list[str]:
    pairs = (
        ("brand", row.brand),
        ("strain", row.strain),
        *(("parent", parent) for parent in row.lineage),
        *(("flavor", flavor) for flavor in _flavors(row)),
    )
    return [f"{group}:{name.lower()}" for group, name in pairs if name]


def _float(value: Any, *, unknown: float = 0.0) -> float:
    return float(value) if value is not None else unknown
