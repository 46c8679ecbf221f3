"""How Cultivar reaches the world, and the world Cultivar."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
