"""
Which events count in a customer's history, how far back, and with which weight.

The SQL of `selectors.history` and the pandas reader of `recommendations.evaluation` both apply this
table: to recommendations, to the statistics behind them, and to customer vectors.
"""

from collections.abc import Mapping

PURCHASE = "purchase"
INTERACTION_WEIGHTS: Mapping[str, float] = {
    PURCHASE: 1.0,
    "like": 1.0,
    "basket_add": 0.5,
    "view": 0.2,
    "dislike": -0.5,
}
"""
Strength of the preference that an event expresses, relative to a purchase.

Other kinds do not count. A receipt line counts once, whatever its quantity, which shows demand and
not taste; a return has no weight. A dislike has a weight in customer vectors alone.
"""

RATINGS = ("like", "dislike")
"""Kinds of which only the newest event for each product counts, at any age."""
VIEWS_AND_BASKETS = ("basket_add", "view")
PURCHASE_DAYS = 365
"""Age at which purchases stop to count."""
INTERACTION_DAYS = 90
"""Age at which views and baskets stop to count."""
MAX_PURCHASES = 1000
"""Newest receipt lines of a customer that count."""
MAX_VIEWS_AND_BASKETS = 500
"""Newest views and additions to the basket of a customer that count."""

HISTORY_HALF_LIFE_DAYS = 180.0
"""Time in which the evidence of an event halves: repeat purchases, segments, customer vectors."""
SEED_HALF_LIFE_DAYS = 365.0
"""The same for the products that co-purchase neighbors are looked up by."""
POPULARITY_HALF_LIFE_DAYS = 60.0
"""The same for sales, of which popularity is computed."""
