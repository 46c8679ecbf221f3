"""
Market prices: the served model, its inputs, and what its estimates are made of.

Training is `competitors.training`; suggestions are `competitors.services.price_suggestions`.
"""

from competitors.pricing.items import Items, price_unit, read_items
from competitors.pricing.model import FEATURES, PriceEstimate, PriceModel, dump, load

__all__ = [
    "FEATURES",
    "Items",
    "PriceEstimate",
    "PriceModel",
    "dump",
    "load",
    "price_unit",
    "read_items",
]
