"""Words that a password of staff must not contain: an attacker tries those first."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

WORDS = ("cultivar", "cannabis", "marijuana", "sativa", "indica", "password", "motdepasse")


class ContextWordsValidator:
    """Refuses passwords with one of the words."""

    def validate(self, password: str, _user: Any = None) -> None:
        """Raise ValidationError for a password that contains one of the words."""
        lowered = password.lower()
        for word in WORDS:
            if word in lowered:
                raise ValidationError(
                    _("The password must not contain “%(word)s”.") % {"word": word},
                    code="password_context_word",
                )

    def get_help_text(self) -> str:
        """Return the sentence that Django's pages show."""
        return _("Your password must not contain words such as “cannabis” or “cultivar”.")
