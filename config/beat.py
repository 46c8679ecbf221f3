"""
The Celery application of Celery beat: `celery -A config.beat beat`.

Beat sends tasks by name, to the queue of their row or route. Without their modules, which import
the catalogue, the encoders and numpy, it needs 40 MB less.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
app = Celery("cultivar.beat")
app.config_from_object("django.conf:settings", namespace="CELERY")
