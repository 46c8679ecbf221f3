"""
Passwords known from breaches: asked for at a range API, of which no one learns the password.

Only the first five characters of the password's SHA-1 are sent (k-anonymity), and the response is
padded, so that its size says nothing either. While the service is unavailable, passwords are
accepted: no one should be kept from changing a password that has leaked.
"""

import hashlib
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from config.errors import CultivarError

_PREFIX_LENGTH = 5
_TIMEOUT_SECONDS = 3
# A range has about 1,000 lines of 40 characters; padding doubles it at most.
_MAX_BYTES = 2**20
log = structlog.get_logger(__name__)


class BreachedPasswordValidator:
    """Refuses passwords of known breaches; without BREACHED_PASSWORDS_URL it accepts all."""

    def validate(self, password: str, _user: Any = None) -> None:
        """Raise ValidationError for a password that the service knows."""
        if settings.BREACHED_PASSWORDS_URL and _is_breached(password):
            raise ValidationError(
                _("This password is known from a breach of another site; choose a new one."),
                code="password_breached",
            )

    def get_help_text(self) -> str:
        """Return the sentence that Django's pages show."""
        return _("Your password must not be known from a breach of another site.")


def _is_breached(password: str) -> bool:
    # Every command loads the validators; only a new password needs the client.
    from config.clients.http import HttpClient

    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    prefix, suffix = digest[:_PREFIX_LENGTH], digest[_PREFIX_LENGTH:]
    try:
        with HttpClient(
            base_url=settings.BREACHED_PASSWORDS_URL,
            timeout_seconds=_TIMEOUT_SECONDS,
            total_timeout_seconds=_TIMEOUT_SECONDS,
            retries=0,
            max_bytes=_MAX_BYTES,
            headers={"Add-Padding": "true"},
            is_operator_address=True,
        ) as client:
            lines = client.get(prefix).body.decode(errors="replace").splitlines()
    except CultivarError as error:
        log.warning("password.breaches_unavailable", error=error.code)
        return False
    counts = dict(line.strip().split(":", 1) for line in lines if ":" in line)
    # Lines of the padding have the count 0.
    return counts.get(suffix, "0") != "0"
