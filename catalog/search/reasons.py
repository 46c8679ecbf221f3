"""Why a product is like another: facts that both share, never what either is said to do."""

from decimal import Decimal
from typing import Any

from catalog.models import Product

_BAND = Decimal(3)
_PRICE_SHARE = Decimal("0.15")
_MOST_TERPENES = 3


def reasons(product: Product, other: Product) -> list[dict[str, Any]]:
    """Return what both share, the strongest first: strain, brand, type, category, terpenes, THC and CBD, size, price."""
    told: list[dict[str, Any]] = [
        {"kind": f"same_{name}", "value": getattr(product, name)}
        for name in ("strain", "brand", "strain_type", "category")
        if getattr(product, name) and getattr(product, name) == getattr(other, name)
    ]
    shared = [terpene for terpene in product.terpenes if terpene in other.terpenes][:_MOST_TERPENES]
    told += [{"kind": "shared_terpene", "value": terpene} for terpene in shared]
    parents = [parent for parent in product.lineage if parent in other.lineage]
    told += [{"kind": "shared_parent", "value": parent} for parent in parents]
    for kind in ("thc", "cbd"):
        mine, theirs = getattr(product, f"{kind}_percentage"), getattr(other, f"{kind}_percentage")
        if mine is not None and theirs is not None and abs(mine - theirs) <= _BAND:
            told.append({"kind": f"near_{kind}", "value": f"{theirs:f}"})
    if product.weight_grams and product.weight_grams == other.weight_grams:
        told.append({"kind": "same_size", "value": f"{other.weight_grams:f}"})
    if (
        product.price
        and other.price
        and abs(product.price - other.price) <= _PRICE_SHARE * product.price
    ):
        told.append({"kind": "near_price", "value": f"{other.price:f}"})
    return told
