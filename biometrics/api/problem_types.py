"""Problem types of biometrics."""

from django.utils.translation import gettext_lazy as _

from biometrics.errors import TemplateRefused
from biometrics.faces.refusals import REFUSALS
from config.api.problem_types import register_problem_type

register_problem_type(
    "biometrics_disabled",
    403,
    _("Biometrics not in use"),
    _("Biometrics is switched off in the province, or lacks something that the law requires."),
)
register_problem_type(
    "consent_missing",
    403,
    _("Consent missing"),
    _("Record the customer's consent to the current purpose text first."),
)
register_problem_type(
    "not_initiated_by_customer",
    400,
    _("Not at the customer's request"),
    _("Customers are identified only when they ask for it; verify them instead."),
)
register_problem_type(
    "not_enrolled",
    409,
    _("Not enrolled"),
    _("The customer has no usable template: serve them by the alternative, or enroll them."),
)
register_problem_type(
    "face_models_unavailable",
    503,
    _("Face recognition unavailable"),
    _("The operator must install the models of face recognition."),
)
for _template_error in TemplateRefused.__subclasses__():
    register_problem_type(
        _template_error.code,
        409,
        _("Template refused"),
        _("The stored template cannot be used: serve the customer by the alternative."),
    )
for _refusal in REFUSALS:
    register_problem_type(_refusal.code, 400, _("Photo cannot be used"), _refusal.instruction)
