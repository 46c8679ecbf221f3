"""REST endpoints of biometrics: enrolment, verification, identification, withdrawal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, Throttled
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from biometrics.api import examples
from biometrics.api.serializers import (
    FaceConfirmationRequestSerializer,
    FaceConfirmationSerializer,
    FaceEnrolmentRequestSerializer,
    FaceEnrolmentSerializer,
    FaceIdentificationRequestSerializer,
    FaceIdentificationSerializer,
    FaceVerificationRequestSerializer,
    FaceVerificationSerializer,
    FaceWithdrawalSerializer,
)
from biometrics.errors import (
    BiometricsDisabled,
    ConsentMissing,
    NotEnrolled,
    TemplateKeysUnavailable,
    TemplateRefused,
)
from biometrics.faces.images import MAX_IMAGE_BYTES
from biometrics.models import FacePurpose
from biometrics.selectors.templates import has_templates
from biometrics.services import recognition
from catalog.models import Store
from catalog.selectors.stores import find_store
from config.api.bodies import parse_body
from config.api.keys import actor_of, client_of
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import IsStaffClient, has_scope
from config.api.throttling import count_request
from config.api.uploads import MemoryMultiPartParser
from config.errors import BadInput, ServiceUnavailable
from config.rate_limits import parse_rate
from config.scopes import Scope
from customers.api.parameters import check_place, parse_uuid, require_reach
from customers.models import CustomerProfile
from customers.selectors.profiles import find_customer, find_customer_by_external_id

_PURPOSE_PARAMETER = OpenApiParameter(
    "purpose",
    str,
    enum=FacePurpose.values,
    description="Purpose to withdraw; both by default.",
)
_CUSTOMER_ID_PARAMETER = OpenApiParameter(
    "customer_id",
    {"type": "string", "format": "uuid"},
    OpenApiParameter.PATH,
    description="Id of the customer.",
)


class FacePhotoParser(MemoryMultiPartParser):
    """Parser of forms with a photo, which is never written to a disk."""

    # Somewhat larger photos are refused with an instruction instead of 413.
    max_bytes = 2 * MAX_IMAGE_BYTES


class _Forbidden(APIException):
    """The operation is not allowed for a reason that the code names."""

    status_code = 403


class _Conflict(APIException):
    """The operation does not fit the state of the customer."""

    status_code = 409


class _FaceView(APIView):
    """Base of the endpoints: their errors, limits by client and device, customers and stores."""

    @contextmanager
    def face_errors(self) -> Iterator[None]:
        """Raise the API errors of what biometrics refuses."""
        try:
            yield
        except (BiometricsDisabled, ConsentMissing) as error:
            raise _Forbidden(str(error), code=error.code) from None
        except (NotEnrolled, TemplateRefused) as error:
            raise _Conflict(str(error), code=error.code) from None
        except TemplateKeysUnavailable:
            raise ServiceUnavailable(
                "Face recognition", _("the keys of the templates cannot be read")
            ) from None

    def count_device(self, device_id: str) -> None:
        """Count a request of a client and of one of its devices. Raises Throttled."""
        client = client_of(self.request)
        client_name = f"faces:{client.pk if client else ''}"
        for name, rate in (
            (client_name, settings.FACE_RATE_BY_CLIENT),
            (f"{client_name}:{device_id}", settings.FACE_RATE_BY_DEVICE),
        ):
            limit, seconds = parse_rate(rate)
            wait = count_request(name, limit=limit, seconds=seconds)
            if wait is not None:
                raise Throttled(wait)

    def find_customer(self, values: dict[str, Any]) -> CustomerProfile:
        """Return the customer of a request. Raises Http404, also beyond the key's binding."""
        if "customer_id" in values:
            customer = find_customer(values["customer_id"])
        else:
            customer = find_customer_by_external_id(values["external_id"])
        return require_reach(self.request, customer)

    def find_store(self, code: str) -> Store:
        """Return the store of a request. Raises BadInput, also beyond the key's binding."""
        store = find_store(code)
        if store is None:
            raise BadInput("store_code", _("is not the code of a store"))
        check_place(self.request, store=store)
        return store


class FaceEnrolmentsView(_FaceView):
    """Enrolment of customers."""

    parser_classes = (FacePhotoParser,)
    permission_classes = (IsAuthenticated, has_scope(Scope.BIOMETRICS_ENROLL))

    @extend_schema(
        operation_id="face_enrolments_create",
        summary="Register the face of a customer",
        request={"multipart/form-data": FaceEnrolmentRequestSerializer},
        responses={
            201: FaceEnrolmentSerializer,
            **examples.bad_photo(),
            **examples.forbidden(Scope.BIOMETRICS_ENROLL, examples.CONSENT_MISSING),
            **examples.CUSTOMER_NOT_FOUND,
        },
        examples=[examples.ENROLMENT_REQUEST, examples.ENROLMENT],
        tags=["biometrics"],
    )
    def post(self, request: Request) -> Response:
        """
        Enroll a customer with a photo, in place of the earlier enrolment for the purpose.

        The customer must have an active consent to the purpose, which is recorded with the
        customer's other consents. The photo is not stored; the template is encrypted and is deleted
        at `expires_at`. Required scope: `biometrics:enroll`.
        """
        values = parse_body(FaceEnrolmentRequestSerializer, request)
        self.count_device(values["device_id"])
        customer = self.find_customer(values)
        store = self.find_store(values["store_code"]) if "store_code" in values else None
        with self.face_errors():
            row = recognition.enroll_image(
                customer=customer,
                purpose=values["purpose"],
                image=values["image"].read(),
                store=store,
                by=actor_of(request),
            )
        serializer = FaceEnrolmentSerializer(row, context={"request": request})
        return Response(serializer.data, status=201)


class FaceEnrolmentView(_FaceView):
    """The enrolment of one customer."""

    permission_classes = (IsAuthenticated, has_scope(Scope.BIOMETRICS_ENROLL))

    @extend_schema(
        operation_id="face_enrolments_destroy",
        summary="Withdraw from biometrics",
        parameters=[_CUSTOMER_ID_PARAMETER, _PURPOSE_PARAMETER],
        responses={200: FaceWithdrawalSerializer},
        examples=[examples.WITHDRAWAL],
        tags=["biometrics"],
    )
    def delete(self, request: Request, customer_id: str) -> Response:
        """
        Withdraw a customer's consents to biometrics and erase their templates.

        No process recognizes the customer any more within a second. Safe to repeat; it works where
        biometrics is switched off as well. Required scope: `biometrics:enroll`.
        """
        reject_unknown_parameters(request.query_params, known={"purpose"})
        purpose = request.query_params.get("purpose")
        if purpose is not None and purpose not in FacePurpose.values:
            raise BadInput(
                "purpose",
                _("must be one of %(values)s") % {"values": ", ".join(FacePurpose.values)},
            )
        customer = self.find_customer({"customer_id": parse_uuid(customer_id, "customer_id")})
        purposes = [purpose] if purpose else list(FacePurpose.values)
        withdrawn_count = recognition.withdraw(
            customer=customer, purposes=purposes, by=actor_of(request)
        )
        result = {
            "customer_id": customer.pk,
            "withdrawn_count": withdrawn_count,
            "is_retained": has_templates(customer=customer, purposes=purposes),
        }
        return Response(FaceWithdrawalSerializer(result, context={"request": request}).data)


class FaceVerificationsView(_FaceView):
    """Verification (1:1)."""

    parser_classes = (FacePhotoParser,)
    permission_classes = (IsAuthenticated, has_scope(Scope.BIOMETRICS_VERIFY))

    @extend_schema(
        operation_id="face_verifications_create",
        summary="Find out whether a photo shows a customer",
        request={"multipart/form-data": FaceVerificationRequestSerializer},
        responses={
            200: FaceVerificationSerializer,
            **examples.bad_photo(),
            **examples.forbidden(Scope.BIOMETRICS_VERIFY),
            **examples.CUSTOMER_NOT_FOUND,
            **examples.NOT_ENROLLED,
        },
        examples=[examples.VERIFICATION_REQUEST, examples.VERIFICATION],
        tags=["biometrics"],
    )
    def post(self, request: Request) -> Response:
        """
        Compare a photo with the template of the customer that the person says they are.

        Prefer this to an identification: it compares with one template instead of with all. The
        photo is not stored; the comparison is logged. 409 `not_enrolled`: serve the customer by the
        alternative. Required scope: `biometrics:verify`.
        """
        values = parse_body(FaceVerificationRequestSerializer, request)
        self.count_device(values["device_id"])
        customer = self.find_customer(values)
        with self.face_errors():
            is_verified = recognition.verify_image(
                customer=customer, image=values["image"].read(), by=actor_of(request)
            )
        return Response({"verified": is_verified})


class FaceIdentificationsView(_FaceView):
    """Identification (1:N)."""

    parser_classes = (FacePhotoParser,)
    permission_classes = (IsAuthenticated, has_scope(Scope.BIOMETRICS_IDENTIFY))

    @extend_schema(
        operation_id="face_identifications_create",
        summary="Find the customer that a photo shows",
        request={"multipart/form-data": FaceIdentificationRequestSerializer},
        responses={
            200: FaceIdentificationSerializer,
            **examples.bad_photo(examples.NOT_INITIATED),
            **examples.forbidden(Scope.BIOMETRICS_IDENTIFY),
        },
        examples=[examples.IDENTIFICATION_REQUEST, examples.IDENTIFICATION, examples.UNKNOWN],
        tags=["biometrics"],
    )
    def post(self, request: Request) -> Response:
        """
        Compare a photo with the templates of consenting customers of the store's group.

        Only at the request of the person, which `initiated_by_customer` states. A match must be
        confirmed by staff before the customer is named. The photo is not stored, and one of an
        unknown person leaves nothing behind. Required scope: `biometrics:identify`.
        """
        values = parse_body(FaceIdentificationRequestSerializer, request)
        self.count_device(values["device_id"])
        store = self.find_store(values["store_code"])
        with self.face_errors():
            match = recognition.identify_image(
                image=values["image"].read(),
                store=store,
                is_initiated_by_customer=values["initiated_by_customer"],
                by=actor_of(request),
            )
        return Response(
            {
                "status": "confirmation_required" if match else "unknown",
                "confirmation_token": match.token if match else None,
                "external_id_ending": match.hint if match else None,
            }
        )


class FaceConfirmationsView(_FaceView):
    """Confirmation of an identification by staff."""

    permission_classes = (
        IsAuthenticated,
        has_scope(Scope.BIOMETRICS_IDENTIFY),
        IsStaffClient,
    )

    @extend_schema(
        operation_id="face_confirmations_create",
        summary="Record the decision of staff on a match",
        request=FaceConfirmationRequestSerializer,
        responses={
            200: FaceConfirmationSerializer,
            **examples.forbidden(Scope.BIOMETRICS_IDENTIFY, is_staff=True),
        },
        examples=[examples.CONFIRMATION_REQUEST, examples.CONFIRMATION, examples.REJECTION],
        tags=["biometrics"],
    )
    def post(self, request: Request) -> Response:
        """
        Return the customer of a match that staff confirm.

        Staff compare what the customer says with `external_id_ending` first. The token is valid for
        two minutes and for the key that received it. The decision is logged. Required scope:
        `biometrics:identify`.
        """
        values = parse_body(FaceConfirmationRequestSerializer, request)
        with self.face_errors():
            customer = recognition.confirm_match(
                token=values["confirmation_token"],
                is_confirmed=values["confirmed"],
                by=actor_of(request),
            )
        return Response(
            {
                "status": "recognized" if customer else "rejected",
                "customer_id": customer.pk if customer else None,
                "external_id": customer.external_customer_id if customer else None,
            }
        )
