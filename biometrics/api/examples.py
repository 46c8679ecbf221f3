"""OpenAPI examples and error responses of biometrics."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from biometrics.errors import BiometricsDisabled, NotEnrolled, NotInitiatedByCustomer
from biometrics.faces.refusals import REFUSALS
from config.api.permissions import HasScope, IsStaffClient
from config.api.problem_responses import documented_problems, invalid_field, problem
from config.scopes import Scope

_CUSTOMER_ID = "0d5f6ad4-9f0b-4b0e-9a57-0f8f5b0f3f4b"
_PHOTO = "(binary content of photo.jpg)"
_TOKEN = "AmsxkVqk0m4b8c"  # noqa: S105  # an example


def _form(name: str, **values: Any) -> OpenApiExample:
    return OpenApiExample(name, value=values, media_type="multipart/form-data", request_only=True)


def _body(name: str, **values: Any) -> OpenApiExample:
    return OpenApiExample(name, value=values, request_only=True)


def _response(name: str, http_status: str = "200", /, **values: Any) -> OpenApiExample:
    return OpenApiExample(name, value=values, response_only=True, status_codes=[http_status])


ENROLMENT_REQUEST = _form(
    "Enrolment at the till",
    customer_id=_CUSTOMER_ID,
    purpose="face_verification",
    image=_PHOTO,
    store_code="queen-west",
    device_id="till-3",
)
ENROLMENT = _response(
    "Enrolled",
    "201",
    customer_id=_CUSTOMER_ID,
    purpose="face_verification",
    enrolled_at="2026-11-28T15:04:05Z",
    expires_at="2027-11-28T15:04:05Z",
)
WITHDRAWAL = _response("Withdrawn", customer_id=_CUSTOMER_ID, withdrawn_count=1, is_retained=False)
VERIFICATION_REQUEST = _form(
    "Verification at the till", external_id="L-1042", image=_PHOTO, device_id="till-3"
)
VERIFICATION = _response("Verified", verified=True)
IDENTIFICATION_REQUEST = _form(
    "Request of the customer",
    image=_PHOTO,
    store_code="queen-west",
    device_id="till-3",
    initiated_by_customer=True,
)
IDENTIFICATION = _response(
    "To be confirmed",
    status="confirmation_required",
    confirmation_token=_TOKEN,
    external_id_ending="042",
)
UNKNOWN = _response("Unknown", status="unknown", confirmation_token=None, external_id_ending=None)
CONFIRMATION_REQUEST = _body("Confirmed", confirmation_token=_TOKEN, confirmed=True)
CONFIRMATION = _response(
    "Recognized", status="recognized", customer_id=_CUSTOMER_ID, external_id="L-1042"
)
REJECTION = _response("Rejected", status="rejected", customer_id=None, external_id=None)


def bad_photo(*others: dict[str, Any]) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the 400 response of operations with a photo: one example for each refusal."""
    missing = invalid_field("image", "This field is required.")
    refusals = [invalid_field("image", refusal().reason, code=refusal.code) for refusal in REFUSALS]
    return documented_problems(
        [missing, *others, *refusals],
        description=(
            "The request is not valid, or the photo cannot be used; the reason says what the person"
            " should do, in English or French by `Accept-Language`"
        ),
    )


def forbidden(
    scope: Scope, *others: dict[str, Any], is_staff: bool = False
) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the 403 response of an operation: biometrics is off, or the key may not call it."""
    permission = type("_Permission", (HasScope,), {"scope": scope})()
    staff = [problem(403, IsStaffClient.code, IsStaffClient().message)] if is_staff else []
    return documented_problems(
        [
            problem(403, BiometricsDisabled.code, str(BiometricsDisabled("QC"))),
            *others,
            problem(403, permission.code, str(permission.message)),
            *staff,
        ],
        description=(
            "Biometrics is not in use in the province, consent is missing, or the API key lacks the"
            " scope, the audience or the store"
        ),
    )


CUSTOMER_NOT_FOUND = documented_problems(
    [problem(404, "not_found", "Not found.")],
    description="No customer has this id, or the key does not reach them",
)
NOT_ENROLLED = documented_problems(
    [problem(409, NotEnrolled.code, str(NotEnrolled()))],
    description="The customer is not enrolled; use the alternative",
)
NOT_INITIATED = invalid_field(
    "initiated_by_customer", NotInitiatedByCustomer().reason, code=NotInitiatedByCustomer.code
)
CONSENT_MISSING = problem(
    403,
    "consent_missing",
    "No consent covers this: the customer has given none for this purpose.",
)
