"""Problem types of the catalogue."""

from django.utils.translation import gettext_lazy as _

from config.api.problem_types import register_problem_type

register_problem_type(
    "age_verification_required",
    403,
    _("Age verification required"),
    _("Products need a key of audience verified: the client verifies the customer's age first."),
)
register_problem_type(
    "image_refused",
    400,
    _("Image not accepted"),
    _("The image cannot be read, or is too large."),
)
register_problem_type(
    "image_search_unavailable",
    503,
    _("Image search unavailable"),
    _("The image encoder is not installed."),
)
register_problem_type(
    "vector_refused",
    400,
    _("Vector not accepted"),
    _("The vector has another dimension or encoder than the index."),
)
register_problem_type(
    "vectors_unavailable",
    503,
    _("Vector search unavailable"),
    _("The vector store does not respond; repeat the request after `Retry-After` seconds."),
)
