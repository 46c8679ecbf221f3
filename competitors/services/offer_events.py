"""Events of competitors' offers for the outbox, saved in the transaction of the change."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from competitors.ingest.offers import Stock
from competitors.models import Competitor, CompetitorOffer
from config.telemetry.request_ids import current_request_id
from mlops.models import OutboxEvent

TOPIC, TYPE = "price_changes", "competitor_offer"
AVAILABLE = (Stock.IN_STOCK, Stock.LOW)
"""Stock statuses of an offer that can be bought."""


def change_event(  # noqa: PLR0913  # one value for each field
    *,
    changes: Sequence[str],
    competitor: Competitor,
    before: CompetitorOffer,
    price: Any,
    stock: str,
    location: str,
    observed_at: datetime,
) -> OutboxEvent:
    """
    Return the event of an offer whose price or availability has changed.

    changes: of "price", "back_in_stock", "out_of_stock" and "gone". before: the offer as stored
    until now. location: the platform's id.
    """
    return OutboxEvent(
        topic=TOPIC,
        key=str(before.pk),
        type=TYPE,
        request_id=current_request_id(),
        data={
            "changes": list(changes),
            "competitor": competitor.code,
            "location": location,
            "external_id": before.external_id,
            "name": before.name,
            "product_id": _text(before.product_id),
            "price": _text(price),
            "previous_price": _text(before.price),
            "currency": before.currency,
            "stock": stock,
            "previous_stock": before.stock,
            "observed_at": observed_at.isoformat(),
        },
    )


def publish_gone(competitor: Competitor, offer_ids: Iterable[UUID], *, at: datetime) -> None:
    """Add an event for each offer that the competitor has stopped listing."""
    _publish(competitor, CompetitorOffer.objects.filter(pk__in=list(offer_ids)), "gone", at)


def publish_relisted(competitor: Competitor, offer_ids: Iterable[UUID], *, at: datetime) -> None:
    """Add an event for each offer that is listed again and can be bought."""
    offers = CompetitorOffer.objects.filter(pk__in=list(offer_ids), stock__in=AVAILABLE)
    _publish(competitor, offers, "back_in_stock", at)


def _publish(
    competitor: Competitor, offers: QuerySet[CompetitorOffer], change: str, at: datetime
) -> None:
    OutboxEvent.objects.bulk_create(
        [
            change_event(
                changes=[change],
                competitor=competitor,
                before=offer,
                price=offer.price,
                stock=offer.stock,
                location=offer.location.platform_id if offer.location else "",
                observed_at=at,
            )
            for offer in offers.select_related("location").order_by("pk")
        ],
        batch_size=2_000,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
