"""URLs of the events API."""

from django.urls import re_path

from mlops.api import event_schema  # noqa: F401  # registers the OpenAPI extension
from mlops.api.events import EventsView

urlpatterns = [re_path(r"^events/?$", EventsView.as_view(), name="events")]
