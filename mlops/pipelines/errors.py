"""What can go wrong on the road."""

from config.errors import CultivarError


class SourceUnavailable(CultivarError):
    """The source does not answer."""

    code = "source-unavailable"


class SourceBroken(CultivarError):
    """The source answers something that is not what it sends when it is well."""

    code = "source-broken"


class FeedSuspicious(CultivarError):
    """The source answers in its format, but says that too much has gone or changed to be believed unasked."""

    code = "feed-suspicious"


class SourceBusy(CultivarError):
    """Another run of the same source is under way."""

    code = "source-busy"


class RecordRejected(CultivarError):
    """One record cannot be used; the others go on."""

    code = "record-rejected"

    def __init__(self, reason: str, field: str = "") -> None:
        self.reason = reason
        self.field = field
        super().__init__(f"{field}: {reason}" if field else reason)
