"""Figures of all offers, which console pages read from the cache."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from competitors.selectors.assortment_gaps import (
    NotCarried,
    OnlyOurs,
    products_not_carried,
    products_only_ours,
)
from competitors.selectors.price_position import (
    Keyset,
    Position,
    PositionFilters,
    PricePosition,
    all_offers,
    count_not_compared,
    count_positions,
    price_positions,
)
from competitors.selectors.price_suggestions import pending_suggestions, suggestions_to_decide
from competitors.selectors.waiting_work import offers_to_confirm, proposed_offers
from config.figures import FIGURES, Figure
from mlops.waiting_work import Waiting


def _count_positions(**filters: Any) -> dict[Position, int]:
    return count_positions(PositionFilters(**filters))


def _page_of_positions(
    *, filters: Mapping[str, Any], sort: str, after: Sequence[str | None] | None, limit: int
) -> list[PricePosition]:
    value, product_id = after or (None, None)
    position = (value, UUID(product_id)) if product_id else None
    page = Keyset(limit=limit, after=position)
    return price_positions(PositionFilters(**filters), sort=sort, page=page)


POSITION_COUNTS: Figure[dict[Position, int]] = Figure(
    name="competitors.position_counts", rows=all_offers, compute=_count_positions
)
"""Number of products by position; parameters: those of `PositionFilters`."""
POSITION_PAGE: Figure[list[PricePosition]] = Figure(
    name="competitors.position_page", rows=all_offers, compute=_page_of_positions, usual=()
)
"""A page of positions; parameters: filters, sort, after (value, id), limit."""
NOT_COMPARED: Figure[int] = Figure(
    name="competitors.not_compared", rows=all_offers, compute=count_not_compared
)
NOT_CARRIED: Figure[list[NotCarried]] = Figure(
    name="competitors.not_carried",
    rows=all_offers,
    compute=products_not_carried,
    usual=({"province": "", "category": ""},),
)
ONLY_OURS: Figure[list[OnlyOurs]] = Figure(
    name="competitors.only_ours",
    rows=all_offers,
    compute=products_only_ours,
    usual=({"province": "", "category": ""},),
)
OFFERS_TO_CONFIRM: Figure[Waiting] = Figure(
    name="competitors.offers_to_confirm", rows=proposed_offers, compute=offers_to_confirm
)
SUGGESTIONS_TO_DECIDE: Figure[Waiting] = Figure(
    name="competitors.suggestions_to_decide",
    rows=pending_suggestions,
    compute=suggestions_to_decide,
)
FIGURES.register(
    POSITION_COUNTS,
    POSITION_PAGE,
    NOT_COMPARED,
    NOT_CARRIED,
    ONLY_OURS,
    OFFERS_TO_CONFIRM,
    SUGGESTIONS_TO_DECIDE,
)
