"""URLs of events, model versions and deployments."""

from django.urls import re_path

from mlops.api import event_schema  # noqa: F401  # registers the OpenAPI extension
from mlops.api.events import EventsView
from mlops.api.models import DeploymentsView, ModelVersionsView

urlpatterns = [
    re_path(r"^events/?$", EventsView.as_view(), name="events"),
    re_path(r"^models/?$", ModelVersionsView.as_view(), name="models"),
    re_path(r"^deployments/?$", DeploymentsView.as_view(), name="deployments"),
]
