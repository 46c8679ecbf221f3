"""URLs of biometrics."""

from django.urls import re_path

from biometrics.api import problem_types  # noqa: F401  # registers them
from biometrics.api.views import (
    FaceConfirmationsView,
    FaceEnrolmentsView,
    FaceEnrolmentView,
    FaceIdentificationsView,
    FaceVerificationsView,
)

urlpatterns = [
    re_path(r"^biometrics/enrolments/?$", FaceEnrolmentsView.as_view(), name="face-enrolments"),
    re_path(
        r"^biometrics/enrolments/(?P<customer_id>[^/]+)/?$",
        FaceEnrolmentView.as_view(),
        name="face-enrolment",
    ),
    re_path(
        r"^biometrics/verifications/?$",
        FaceVerificationsView.as_view(),
        name="face-verifications",
    ),
    re_path(
        r"^biometrics/identifications/?$",
        FaceIdentificationsView.as_view(),
        name="face-identifications",
    ),
    re_path(
        r"^biometrics/confirmations/?$",
        FaceConfirmationsView.as_view(),
        name="face-confirmations",
    ),
]
