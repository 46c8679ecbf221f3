"""What of a product is searchable by meaning. Effects stay out of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from catalog.audiences import PRODUCT_FIELDS
from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES, WORDS
from catalog.models import Product
from catalog.reference.strains import flavors_of, fold
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
        # Percent by mass as a fraction of 35 (THC) and 25 (CBD), milligrams on a logarithmic scale; a terpene by its
        # place, the strongest 1, the next 1/2, …
        "chemistry": (
            "thc_low",
            "thc_high",
            "cbd_low",
            "cbd_high",
            "log_thc_mg",
            "log_cbd_mg",
            *(f"terpene:{t}" for t in sorted(terpenes())),
        ),
        # A one for each type, category and form.
        "type": (
            *(f"type:{t}" for t in sorted(set(STRAIN_TYPES.values()))),
            *(f"category:{c}" for c in sorted(set(CATEGORIES.values()))),
            "form:pieces",
            "form:infused",
            "form:milled",
            "log_grams",
        ),
        # Dollars and dollars a gram, on a logarithmic scale.
        "price": ("log_price", "log_price_per_gram"),
        # Brand, strain, claimed parents and flavors are hashed into what is left: the group `names`.
    },
)
"""Which slot holds what, by the group that explains it; a change of any is a new version."""

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
    "pieces",
    "thc_percentage",
    "thc_percentage_low",
    "thc_percentage_high",
    "cbd_percentage",
    "cbd_percentage_low",
    "cbd_percentage_high",
    "thc_mg",
    "cbd_mg",
)
"""Fields of a product that are read here; the triggers of migration 0009 note their changes."""
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
    """What all vectors of products have in common."""

    table = "products"
    scalar_fields = _SCALARS
    audiences = _AUDIENCES

    def queryset(self) -> QuerySet[Product]:
        # Only these are read from the database: a field that is not declared would cost a query a row, and a test sees it.
        return Product.objects.current().only("id", *ENCODED)

    def scalars(self, row: Product) -> dict[str, str | float]:
        return {
            "thc_percentage": _float(row.thc_percentage, unknown=-1),
            "cbd_percentage": _float(row.cbd_percentage, unknown=-1),
            "price": _float(row.price, unknown=-1),
            "strain_type": row.strain_type or "",
            "category": row.category or "",
            "brand_key": fold(row.brand or ""),
        }


@register
class ProductEmbedding(ProductVectors):
    """Products by what they are called and what they are: English text, and features."""

    collection = "product_embeddings"
    role = "text"
    layout = LAYOUT
    # nDCG@10 of this leg by weight .3 to .8, in two halves of the judged questions: docs/benchmarks.md.
    text_weight = 0.6

    def texts(self, rows: Sequence[Product]) -> list[str]:
        return [_english(row) for row in rows]

    def features(self, rows: Sequence[Product]) -> Vectors:
        return LAYOUT.encode([_numbers(row) for row in rows], [_names(row) for row in rows])


@register
class ProductText(ProductVectors):
    """Products by what is said of them in both languages."""

    collection = "product_texts"
    role = "multilingual"

    def texts(self, rows: Sequence[Product]) -> list[str]:
        return [_bilingual(row) for row in rows]


@register
class ProductImage(ProductVectors):
    """Products in the space of pictures: by their texts, since no row has a picture yet."""

    collection = "product_images"
    role = "image"

    def texts(self, rows: Sequence[Product]) -> list[str]:
        return [f"a package of {_english(row)}" for row in rows]

    def is_live(self) -> bool:
        try:
            encoder(self.role)
        except ModelMissing:
            return False
        return True


def question_features(
    *, types: Sequence[str], categories: Sequence[str], terpene_keys: Sequence[str]
) -> Vectors:
    """Return the features (384,) of what a question names, to be held against products' features."""
    numbers = {
        **{f"type:{word}": 1.0 for word in types},
        **{f"category:{word}": 1.0 for word in categories},
        **{f"terpene:{key}": 1.0 for key in terpene_keys},
    }
    features: Vectors = LAYOUT.encode([numbers], [[]])[0]
    return features


def _english(row: Product) -> str:
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
    return " ".join(part.replace("-", " ") for part in parts if part)


def _bilingual(row: Product) -> str:
    names = (
        row.name if not row.name_fr or row.name_fr == row.name else f"{row.name} / {row.name_fr}"
    )
    kinds = [WORDS.get(word or "", "") for word in (row.category, row.strain_type)]
    french = [terpenes()[key].fr for key in row.terpenes if key in terpenes()]
    aromas = [*_aromas(row.terpenes[:3], "aromas_en"), *_aromas(row.terpenes[:3], "aromas_fr")]
    parts = (names, row.brand, *kinds, row.strain, *french, *aromas, *_flavors(row))
    return ", ".join(part for part in parts if part)


def _aromas(keys: Sequence[str], column: str) -> list[str]:
    known = (getattr(terpenes()[key], column).split() for key in keys if key in terpenes())
    return list(dict.fromkeys(word for words in known for word in words))


def _flavors(row: Product) -> tuple[str, ...]:
    return flavors_of(row.strain) if row.strain else ()


def _numbers(row: Product) -> dict[str, float]:
    price, grams = _float(row.price), _float(row.weight_grams)
    name = f"{row.name} {row.name_fr or ''}".lower()
    numbers = {
        "thc_low": _float(row.thc_percentage_low) / 35,
        "thc_high": _float(row.thc_percentage_high) / 35,
        "cbd_low": _float(row.cbd_percentage_low) / 25,
        "cbd_high": _float(row.cbd_percentage_high) / 25,
        "log_thc_mg": math.log1p(_float(row.thc_mg)) / 7,
        "log_cbd_mg": math.log1p(_float(row.cbd_mg)) / 7,
        "log_price": math.log1p(price) / 6,
        "log_price_per_gram": math.log1p(price / grams) / 4 if grams else 0.0,
        "log_grams": math.log1p(grams) / 4,
        "form:pieces": 1.0 if (row.pieces or 0) > 1 else 0.0,
        f"type:{row.strain_type}": 1.0,
        f"category:{row.category}": 1.0,
        **{
            f"form:{form}": 1.0
            for form, words in _FORMS.items()
            if any(word in name for word in words)
        },
    }
    return numbers | {f"terpene:{key}": 1 / (place + 1) for place, key in enumerate(row.terpenes)}


def _names(row: Product) -> list[str]:
    pairs = (
        ("brand", row.brand),
        ("strain", row.strain),
        *(("parent", parent) for parent in row.lineage),
        *(("flavor", flavor) for flavor in _flavors(row)),
    )
    return [f"{kind}:{name.lower()}" for kind, name in pairs if name]


def _float(value: Any, *, unknown: float = 0.0) -> float:
    return float(value) if value is not None else unknown
