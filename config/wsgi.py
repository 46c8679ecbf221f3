"""The web server's way in."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
application = get_wsgi_application()
# What is loaded by now stays: the collector need not go through it again, and an answer makes thousands of objects that
# are gone with it. With Python's own thresholds (700, 10, 10) several collections fall into every search.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
