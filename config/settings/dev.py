"""Local development: plain HTTP on the loopback address."""

from split_settings.tools import include

from config.settings.subjects import SUBJECTS

include(*SUBJECTS)
if EMAIL_BACKEND.endswith(".dummy.EmailBackend"):  # type: ignore[name-defined]  # noqa: F821
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

SECOND_FACTOR_ROLES = ()  # the password that bin/dev prints is enough on the loopback address
