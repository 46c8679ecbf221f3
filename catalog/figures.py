"""Figures of all listings and pairs, which console pages read from the cache."""

from catalog.selectors.home import all_listings, listings_by_source
from catalog.selectors.waiting_work import open_duplicates, undecided_pairs
from config.figures import FIGURES, Figure
from mlops.waiting_work import Waiting

LISTINGS_BY_SOURCE: Figure[dict[str, int]] = Figure(
    name="catalog.listings_by_source", rows=all_listings, compute=listings_by_source
)
OPEN_DUPLICATES: Figure[Waiting] = Figure(
    name="catalog.open_duplicates", rows=undecided_pairs, compute=open_duplicates
)
FIGURES.register(LISTINGS_BY_SOURCE, OPEN_DUPLICATES)
