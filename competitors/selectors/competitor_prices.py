"""Competitors' prices of a product: each offer with its unit prices, and whether it is evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from catalog.models import Product
from competitors.comparable import Package, UnitPrices, unit_prices
from competitors.models import CompetitorOffer, PriceGuardSettings
from competitors.selectors.price_evidence import limits_in_force


@dataclass(frozen=True, slots=True)
class CompetitorPrice:
    """
    An offer of a product.

    unit_prices: None where the price without tax is unknown. is_evidence: it counts for the price
    position and the price guards.
    """

    offer: CompetitorOffer
    province: str
    unit_prices: UnitPrices | None
    is_evidence: bool


def competitor_prices(product_id: UUID, *, now: datetime | None = None) -> list[CompetitorPrice]:
    """
    Return the offers matched to a product or to one merged into it, cheapest first.

    Offers that are gone are left out.
    """
    moment = now or timezone.now()
    limits = limits_in_force(timezone.localdate(moment))
    offers = (
        CompetitorOffer.objects.filter(
            Q(product=product_id) | Q(product__merged_into=product_id),
            match_status__in=CompetitorOffer.MATCHED,
            gone_at=None,
        )
        .select_related("competitor", "location")
        .order_by("net_price", "competitor__name", "pk")
    )
    return [_price(offer, limits, moment) for offer in offers]


def product_with_merged(product: Product) -> Sequence[UUID]:
    """Return the ids of a product and of those merged into it."""
    return [product.pk, *product.merged.values_list("pk", flat=True)]


def _price(offer: CompetitorOffer, limits: PriceGuardSettings, moment: datetime) -> CompetitorPrice:
    package = Package(
        weight_grams=offer.weight_grams,
        dried_equivalent_grams=offer.dried_equivalent_grams,
        thc_mg=offer.thc_mg,
        unit_count=offer.unit_count,
    )
    oldest = moment - timedelta(hours=limits.max_evidence_age_hours)
    return CompetitorPrice(
        offer=offer,
        province=(offer.location and offer.location.province) or offer.competitor.province,
        unit_prices=None if offer.net_price is None else unit_prices(offer.net_price, package),
        is_evidence=(
            offer.net_price is not None
            and offer.stock != CompetitorOffer.Stock.OUT
            and offer.last_seen_at >= oldest
            and offer.confidence >= limits.min_evidence_confidence
        ),
    )
