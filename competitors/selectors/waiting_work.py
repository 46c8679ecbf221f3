"""Numbers of competitor shops and offers that wait for staff."""

from competitors.models import Competitor, CompetitorOffer, CrawlStatus
from mlops.waiting_work import Waiting, waiting


def blocked_competitors() -> Waiting:
    """Return the enabled shops whose crawls are blocked."""
    rows = Competitor.objects.filter(is_enabled=True, status=CrawlStatus.BLOCKED)
    return waiting(rows, "status_since")


def offers_to_confirm() -> Waiting:
    """Return the offers with a proposed product."""
    proposed = CompetitorOffer.MatchStatus.PROPOSED
    rows = CompetitorOffer.objects.filter(match_status=proposed, gone_at=None)
    return waiting(rows, "first_seen_at")
