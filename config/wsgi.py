"""The web server's way in."""

import gc
import os

# Before numpy is there to read it. Requests share the cores already, and BLAS threads that wait for work burn them: a search
# takes 47 ms of processor time with one, 122 ms with two.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
application = get_wsgi_application()
# What is loaded by now stays: the collector need not go through it again, and an answer makes thousands of objects that
# are gone with it. With Python's own thresholds (700, 10, 10) several collections fall into every search.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
