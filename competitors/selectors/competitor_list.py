"""Competitors with what they offer."""

from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from competitors.models import Competitor, CompetitorOffer


def competitors_with_offers() -> QuerySet[Competitor]:
    """Return all competitors with their locations and the number of offers now (`offer_count`)."""
    offers = (
        CompetitorOffer.objects.filter(competitor=OuterRef("pk"), gone_at=None)
        .order_by()
        .annotate(of=F("competitor"))
        .values("of")
        .annotate(count=Count("pk"))
        .values("count")
    )
    count = Coalesce(Subquery(offers, output_field=IntegerField()), 0)
    return Competitor.objects.annotate(offer_count=count).prefetch_related("locations")
