"""Foundation of the project: settings, API conventions, caches, clients, local servers."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
