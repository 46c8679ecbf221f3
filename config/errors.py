"""Base classes of errors whose text is one line that people can read."""

from typing import ClassVar


class CultivarError(Exception):
    """Base of Cultivar's errors; `code` names the kind of error for machines."""

    code: ClassVar[str] = "error"


class ServiceUnavailable(CultivarError):
    """A server does not respond; trying again later may help."""

    code = "service_unavailable"

    def __init__(self, service: str, reason: str) -> None:
        self.service = service
        super().__init__(f"{service} is unavailable: {reason}")


class Conflict(CultivarError):
    """The request contradicts the current state; `errors` lists (field, reason)."""

    code = "conflict"

    def __init__(self, detail: str, errors: list[tuple[str, str]]) -> None:
        self.errors = errors
        super().__init__(detail)


class BadInput(CultivarError):
    """
    A field of the input is not valid, for a reason.

    field: empty for the whole body. reason_code: the kind of reason in snake_case.
    """

    code = "bad_input"

    def __init__(self, field: str, reason: str, reason_code: str = "invalid") -> None:
        self.field = field
        self.reason = reason
        self.reason_code = reason_code
        super().__init__(f"{field}: {reason}" if field else reason)
