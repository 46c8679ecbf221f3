"""Errors whose text is one line fit for people."""

from typing import ClassVar


class CultivarError(Exception):
    """Base of every error of ours; `code` names its kind for machines."""

    code: ClassVar[str] = "error"


class ServiceUnavailable(CultivarError):
    """A server we depend on does not answer; trying again later may help."""

    code = "service-unavailable"

    def __init__(self, service: str, reason: str) -> None:
        self.service = service
        super().__init__(f"{service} is unavailable: {reason}")


class Conflict(CultivarError):
    """What was asked cannot be done as things stand; says which fields and why."""

    code = "conflict"

    def __init__(self, detail: str, errors: list[tuple[str, str]]) -> None:
        self.errors = errors
        super().__init__(detail)


class BadInput(CultivarError):
    """What was sent cannot be used; says which field and why."""

    code = "bad-input"

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")
