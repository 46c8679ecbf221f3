"""Kinds of alerts about biometrics."""

from django.utils.translation import gettext_lazy as _

from mlops.quality.kinds import register

register(
    "biometric_audit",
    _("Audit log of biometrics was changed"),
    _(
        "Treat it as an incident: stop face recognition, save the log, and inform the privacy "
        "officer."
    ),
)
