"""Errors of pipeline runs."""

from config.errors import CultivarError


class SourceUnavailable(CultivarError):
    """The source does not respond."""

    code = "source_unavailable"


class SourceBroken(CultivarError):
    """The source sends data that are not in its format."""

    code = "source_broken"


class FeedSuspicious(CultivarError):
    """The feed is in the right format, but too much of it is missing or has changed."""

    code = "feed_suspicious"


class SourceBusy(CultivarError):
    """Another run of the same source is in progress."""

    code = "source_busy"


class RecordRejected(CultivarError):
    """One record cannot be used; the others are processed."""

    code = "record_rejected"

    def __init__(self, reason: str, field: str = "") -> None:
        self.reason = reason
        self.field = field
        super().__init__(f"{field}: {reason}" if field else reason)
