"""Bulk edits of a person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from catalog.models import BulkEdit


def recent_bulk_edits(user: Any, *, since: datetime, limit: int) -> Sequence[BulkEdit]:
    """Return the bulk edits of a user that are waited for or ended since a time, newest first."""
    is_recent = Q(state__in=BulkEdit.WORKING_STATES) | Q(finished_at__gte=since)
    edits = BulkEdit.objects.filter(is_recent, requested_by=user.pk)
    return list(edits.defer("changes")[:limit])
