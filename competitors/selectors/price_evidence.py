"""Evidence for our prices: fresh, confident offers of competitors, limits and minimum prices."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Coalesce

from competitors.comparable import CURRENCY
from competitors.models import CompetitorOffer, MinimumPrice, PriceGuardSettings
from mlops.models import RowChange

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferEvidence:
    """A competitor's price of a product. price: that anyone gets, as listed."""

    competitor: str
    price: Decimal
    is_tax_included: bool | None
    province: str
    observed_at: datetime
    capture_hash: str


def limits_in_force(on: date) -> PriceGuardSettings:
    """Return the limits of a day. Raises PriceGuardSettings.DoesNotExist: none is in force."""
    return PriceGuardSettings.objects.filter(effective_on__lte=on).latest("effective_on")


def price_evidence(
    product_id: UUID, *, limits: PriceGuardSettings, now: datetime
) -> list[OfferEvidence]:
    """Return fresh, confident offers in stock or of unknown stock, cheapest first."""
    oldest = now - timedelta(hours=limits.max_evidence_age_hours)
    offers = (
        CompetitorOffer.objects.filter(
            Q(product=product_id) | Q(product__merged_into=product_id),
            match_status__in=CompetitorOffer.MATCHED,
            gone_at=None,
            currency=CURRENCY,
            last_seen_at__gte=oldest,
            confidence__gte=limits.min_evidence_confidence,
        )
        .exclude(stock=CompetitorOffer.Stock.OUT)
        .annotate(current_price=Coalesce("sale_price", "regular_price"))
        .exclude(current_price=None)
        .select_related("competitor", "location")
        .order_by("current_price", "id")
    )
    return [
        OfferEvidence(
            competitor=offer.competitor.code,
            price=offer.current_price,
            is_tax_included=offer.is_tax_included,
            province=(offer.location and offer.location.province) or offer.competitor.province,
            observed_at=offer.last_seen_at,
            capture_hash=offer.capture_hash,
        )
        for offer in offers
    ]


def minimum_prices(*, province: str, category: str, on: date) -> list[MinimumPrice]:
    """Return the minimum prices of a category in force on a day, the newest of each basis."""
    in_force = MinimumPrice.objects.filter(
        Q(expires_on=None) | Q(expires_on__gte=on),
        province=province,
        category__in=["", category],
        effective_on__lte=on,
    )
    newest = in_force.order_by("category", "basis", "-effective_on")
    return list(newest.distinct("category", "basis"))


def price_a_day_ago(product_id: UUID, *, current: Decimal | None, now: datetime) -> Decimal | None:
    """Return our price 24 hours ago, from the history of its field; None: it had none."""
    changes = RowChange.objects.filter(
        table_name="products",
        row_id=product_id,
        changed_at__gt=now - _ONE_DAY,
        before__has_key="price",
    )
    first = changes.order_by("id").annotate(old=F("before__price")).values_list("old", flat=True)
    if not first.exists():
        return current
    old = first[0]
    return Decimal(old) if old else None
