"""Models of competitors: shops, locations, offers, observed prices, matches, price guards."""

from competitors.models.competitors import Competitor, CompetitorLocation, CrawlStatus
from competitors.models.guards import MinimumPrice, PriceApproval, PriceGuardSettings
from competitors.models.matches import OfferAlias, OfferMatch
from competitors.models.offers import CompetitorOffer
from competitors.models.price_history import PriceHistory
from competitors.models.saved_filters import SavedBoardFilter

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
    "SavedBoardFilter",
]
