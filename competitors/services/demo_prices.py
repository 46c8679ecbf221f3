"""
Made-up earlier prices of demonstration shops, so that a price model can be trained on them.

Each offer has a level that moves by some percent from period to period around its price today, a
sale every few weeks, and the price endings of shops. Everything follows from the seed and the id of
the offer. Only shops that this computer serves are accepted: real histories are never mixed with
made-up ones.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_address
from random import Random
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from competitors.models import Competitor, CompetitorOffer, PriceHistory
from config.errors import BadInput

SEED = 20261126
_NAMESPACE = UUID("0f0a2a31-6a4e-4b6c-9c0a-6c1f8f9d2b57")
_PERIOD = timedelta(days=7)
_WEEKLY_DEVIATION = 0.02
_RETURN_SHARE = 0.1
_SALE_SHARE = 0.12
_SALE_FACTOR = Decimal("0.85")
_CENT = Decimal("0.01")
_BATCH_SIZE = 2_000


def load_demo_prices(*, codes: Sequence[str], days: int, seed: int = SEED) -> dict[str, int]:
    """
    Create weekly observations of the offers of demonstration shops before their first real one.

    Raises BadInput: unknown shop, or one that this computer does not serve. Safe to repeat.
    """
    competitors = [_demo_competitor(code) for code in codes]
    offers = CompetitorOffer.objects.filter(competitor__in=competitors, gone_at=None)
    offers = offers.exclude(regular_price=None).select_related("competitor").order_by("pk")
    before, offer_count = PriceHistory.objects.count(), offers.count()
    batch: list[PriceHistory] = []
    for offer in offers.iterator(chunk_size=_BATCH_SIZE):
        batch += _observations(offer, days=days, seed=seed)
        if len(batch) >= _BATCH_SIZE:
            PriceHistory.objects.bulk_create(batch, ignore_conflicts=True)
            batch = []
    PriceHistory.objects.bulk_create(batch, ignore_conflicts=True)
    return {"offers": offer_count, "observations": PriceHistory.objects.count() - before}


def _demo_competitor(code: str) -> Competitor:
    competitor = Competitor.objects.filter(code=code).first()
    if competitor is None:
        raise BadInput("competitor", f"{code!r} is unknown")
    host = urlsplit(competitor.base_url).hostname or ""
    if not _is_loopback(host):
        raise BadInput("competitor", f"{code!r} is a real shop: its prices are not made up")
    return competitor


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _observations(offer: CompetitorOffer, *, days: int, seed: int) -> Iterator[PriceHistory]:
    rng = Random(f"{seed} {offer.competitor.code} {offer.external_id}")  # noqa: S311  # no secret
    today = offer.regular_price or Decimal(0)
    deviation = 0.0
    for week in range(1, days // _PERIOD.days + 1):
        deviation += rng.gauss(0, _WEEKLY_DEVIATION) - _RETURN_SHARE * deviation
        regular = _ending(today * Decimal(str(1 + deviation)))
        is_sale = rng.random() < _SALE_SHARE
        sale = (regular * _SALE_FACTOR).quantize(_CENT) if is_sale else None
        yield PriceHistory(
            id=uuid5(_NAMESPACE, f"{seed} {offer.pk} {week}"),
            product_id=offer.product_id,
            offer=offer,
            competitor=offer.competitor.code,
            price=regular if sale is None else sale,
            regular_price=regular,
            sale_price=sale,
            in_stock=True,
            stock=CompetitorOffer.Stock.IN_STOCK,
            currency=offer.currency,
            is_tax_included=offer.is_tax_included,
            confidence=offer.confidence,
            scraped_at=offer.first_seen_at - week * _PERIOD,
        )


def _ending(price: Decimal) -> Decimal:
    """Return the nearest price that ends in .49 or .99."""
    halves = (price * 2).to_integral_value()
    return max(halves / 2 - _CENT, Decimal("0.49"))
