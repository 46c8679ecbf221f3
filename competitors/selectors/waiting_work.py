"""Numbers of competitor shops and offers that wait for staff."""

from django.db.models import QuerySet

from competitors.models import Competitor, CompetitorOffer, CrawlStatus
from mlops.waiting_work import Waiting, waiting


def blocked_competitors() -> Waiting:
    """Return the enabled shops whose crawls are blocked."""
    rows = Competitor.objects.filter(is_enabled=True, status=CrawlStatus.BLOCKED)
    return waiting(rows, "status_since")


def proposed_offers() -> QuerySet[CompetitorOffer]:
    """Return the offers with a proposed product."""
    proposed = CompetitorOffer.MatchStatus.PROPOSED
    return CompetitorOffer.objects.filter(match_status=proposed, gone_at=None)


def offers_to_confirm() -> Waiting:
    """Return the number of offers with a proposed product."""
    return waiting(proposed_offers(), "first_seen_at")
