"""Models of competitors: shops, offers, observed prices, matches, guards, suggestions."""

from competitors.models.competitors import Competitor, CompetitorLocation, CrawlStatus
from competitors.models.guards import MinimumPrice, PriceApproval, PriceGuardSettings
from competitors.models.matches import OfferAlias, OfferMatch
from competitors.models.offers import CompetitorOffer
from competitors.models.price_history import PriceHistory
from competitors.models.saved_filters import SavedBoardFilter
from competitors.models.suggestions import PriceOutcome, PriceSuggestion

__all__ = [
    "Competitor",
    "CompetitorLocation",
    "CompetitorOffer",
    "CrawlStatus",
    "MinimumPrice",
    "OfferAlias",
    "OfferMatch",
    "PriceApproval",
    "PriceGuardSettings",
    "PriceHistory",
    "PriceOutcome",
    "PriceSuggestion",
    "SavedBoardFilter",
]
