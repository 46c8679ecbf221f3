"""Login form of the console; it says when a name or address is blocked after failed logins."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from unfold.forms import AuthenticationForm


class LoginForm(AuthenticationForm):  # type: ignore[misc]  # the theme has no types
    """Name and password."""

    def clean(self) -> dict[str, Any]:
        """Return the values. Raises ValidationError for a wrong password, and while blocked."""
        # Every command imports the form with the theme; only a login needs Redis.
        from config.login_guard import is_blocked

        name = str(self.data.get("username", ""))
        if self.request is not None and is_blocked(self.request, name):
            raise ValidationError(
                gettext("Too many failed logins; try again in a quarter of an hour."),
                code="blocked",
            )
        values: dict[str, Any] = super().clean()
        return values
