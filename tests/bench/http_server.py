"""Application of the web process with the views of the HTTP benchmark, for gunicorn."""

import django
from django.conf import settings

django.setup()
settings.ROOT_URLCONF = "tests.bench.http"

from config.wsgi import application  # noqa: E402  # reads the setting

__all__ = ["application"]
