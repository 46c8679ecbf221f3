"""URLs of the events API."""

from django.urls import re_path

from mlops.api.events import EventsView

urlpatterns = [re_path(r"^events/?$", EventsView.as_view(), name="events")]
