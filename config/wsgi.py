"""WSGI entry point of the web server."""

import gc
import os

# Must be set before numpy is imported. Concurrent requests share the cores already, and BLAS
# threads burn them while waiting: a search takes 47 ms of CPU time with one, 122 ms with two.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config.chunked_bodies import ChunkedBodies
from config.telemetry.recording import is_recording
from config.telemetry.sharing import share_metrics

share_metrics()
application = ChunkedBodies(get_wsgi_application(), max_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
# Django would import the views at the first request, which would wait for it.
get_resolver().reverse_dict  # noqa: B018
if is_recording():
    import config.observability.exporter  # noqa: F401  # shared by the processes that are forked
# Objects loaded so far stay for good and need not be scanned again. A response allocates thousands
# of short-lived objects: with Python's default thresholds (700, 10, 10) several collections would
# run during every search.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
