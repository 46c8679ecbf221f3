"""Local development: plain HTTP on the loopback address."""

from split_settings.tools import include

from config.env import ENV
from config.settings.subjects import SUBJECTS

include(*SUBJECTS)
if not ENV.email_url:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

SECOND_FACTOR_ROLES = ()  # the password that bin/dev prints is enough on the loopback address
