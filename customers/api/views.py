"""REST endpoints of customers, their consents, their history and their privacy requests."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.bodies import parse_body
from config.api.etags import ConditionalView, require_if_match
from config.api.keys import actor_of, client_of
from config.api.locations import location_of
from config.api.openapi import IF_MATCH_PARAMETER
from config.api.pagination import ApiCursorPagination
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import has_scope
from config.api.problem_responses import documented_problem
from config.errors import BadInput, Conflict
from config.languages import parse_language
from customers.api import customer_examples as examples
from customers.api.parameters import (
    CustomerDataViewSet,
    check_place,
    get_customer,
    parse_uuid,
    require_reach,
)
from customers.api.serializers import (
    EXPORT_FORMAT_VERSION,
    AgeVerificationSerializer,
    ConsentRequestSerializer,
    ConsentSerializer,
    ConsentTextSerializer,
    ConsentTextsSerializer,
    ConsentWithdrawalSerializer,
    CustomerExportSerializer,
    CustomerRegistrationSerializer,
    CustomerSerializer,
    ErasureRequestSerializer,
    ErasureSerializer,
    InteractionSerializer,
    ProfileCorrectionSerializer,
    PurchaseSerializer,
)
from customers.models import ConsentText, CustomerProfile
from customers.profile_export import export_customer
from customers.selectors.consents import (
    consents_of,
    current_consent_texts,
    find_active_consent,
)
from customers.selectors.history import interactions_of, purchases_of
from customers.selectors.profiles import (
    all_customers,
    find_customer,
    find_customer_by_external_id,
)
from customers.services import consents, profiles
from mlops.privacy.erasure import LegalHoldActive, PersonLocked, PersonNotFound, erase

_CUSTOMER_ID_PARAMETER = OpenApiParameter(
    "id",
    {"type": "string", "format": "uuid"},
    OpenApiParameter.PATH,
    description="Id of the customer.",
    examples=[OpenApiExample("Example", value="0d5f6ad4-9f0b-4b0e-9a57-0f8f5b0f3f4b")],
)
_EXTERNAL_ID_PARAMETER = OpenApiParameter(
    "external_id",
    str,
    required=True,
    description="Loyalty number or account, as the client knows the customer.",
    examples=[OpenApiExample("Example", value="L-1042")],
)
_PURPOSE_PARAMETER = OpenApiParameter(
    "purpose",
    str,
    OpenApiParameter.PATH,
    enum=ConsentText.Purpose.values,
    description="Purpose of the consent.",
)
_LANGUAGE_PARAMETER = OpenApiParameter(
    "language", str, enum=["en", "fr"], description="Language of the texts; default `en`."
)


_ALREADY_REGISTERED = documented_problem(
    409,
    "conflict",
    "This customer is registered already.",
    [("external_id", "is registered already")],
    description="A customer with this external id is registered already.",
)
_CUSTOMER_NOT_FOUND = documented_problem(
    404, "not_found", "Not found.", description="No customer has this external id."
)
_NO_CONSENT = documented_problem(
    404,
    "not_found",
    "Not found.",
    description="There is no such customer, or no active consent to the purpose.",
)
_LEGAL_HOLD_TEXT = "A legal hold of 2026-11-03 forbids it: court file 26-114."
_NOT_ERASABLE = documented_problem(
    409,
    "conflict",
    _LEGAL_HOLD_TEXT,
    [("id", _LEGAL_HOLD_TEXT)],
    description="The customer is under a legal hold, or another process works on their data.",
)


class _PurchasePagination(ApiCursorPagination):
    ordering = ("-purchased_at", "id")


class _InteractionPagination(ApiCursorPagination):
    ordering = ("-occurred_at", "id")


class _ConsentPagination(ApiCursorPagination):
    ordering = ("-given_at", "id")


class CustomerViewSet(CustomerDataViewSet):
    """Customers: registration, correction, consents, history, export and erasure."""

    queryset = all_customers()
    serializer_class = CustomerSerializer
    scopes: ClassVar = {
        "create": has_scope("customers:write"),
        "retrieve": has_scope("customers:read"),
        "partial_update": has_scope("customers:write"),
        "by_external_id": has_scope("customers:read"),
        "consents": has_scope("customers:read"),
        "give_consent": has_scope("customers:write"),
        "withdraw_consent": has_scope("customers:write"),
        "purchases": has_scope("customers:read"),
        "interactions": has_scope("customers:read"),
        "verify_age": has_scope("customers:write"),
        "export": has_scope("privacy:read"),
        "consent": has_scope("customers:read"),
        "erase": has_scope("privacy:write"),
    }

    @extend_schema(
        summary="Register a customer",
        request=CustomerRegistrationSerializer,
        responses={201: CustomerSerializer, **_ALREADY_REGISTERED},
        examples=[examples.REGISTRATION_REQUEST_EXAMPLE, examples.REGISTRATION_RESPONSE_EXAMPLE],
        tags=["customers"],
    )
    def create(self, request: Request) -> Response:
        """
        Create a customer profile for a loyalty number or account.

        The profile has no consents: until they are given, purchases and interactions are stored
        without the customer. With a key that is bound to one province, that province is the
        default. 409 if the external id is registered already. Required scope: `customers:write`.
        """
        body = parse_body(CustomerRegistrationSerializer, request)
        check_place(request, province=body.get("province", ""), store=body.get("store"))
        client = client_of(request)
        if client is not None and not body.get("province"):
            body["province"] = client.key.province
        customer = profiles.register_customer(**body, by=actor_of(request))
        return Response(
            self._serialize_customer(customer),
            status=201,
            headers=location_of("customer-detail", customer.pk),
        )

    @extend_schema(
        summary="Get a customer",
        parameters=[_CUSTOMER_ID_PARAMETER],
        examples=[examples.CUSTOMER_EXAMPLE],
        tags=["customers"],
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """
        Return the profile, the active consents and the preferences of a customer.

        The access is logged. Required scope: `customers:read`.
        """
        reject_unknown_parameters(request.query_params, known=set())
        customer = get_customer(self.request, id)
        self.log_access(customer, "profile.read")
        return Response(self._serialize_customer(customer))

    @extend_schema(
        summary="Correct a customer's profile",
        parameters=[_CUSTOMER_ID_PARAMETER, IF_MATCH_PARAMETER],
        request=ProfileCorrectionSerializer,
        responses=CustomerSerializer,
        examples=[examples.CORRECTION_REQUEST_EXAMPLE, examples.CUSTOMER_EXAMPLE],
        tags=["customers"],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """
        Correct profile fields and record stated preferences.

        A stated preference takes precedence over the derived one; null removes the statement.
        Requires `If-Match` with the `ETag` of the representation that was read: 428 without it,
        412 if the profile has changed since. Required scope: `customers:write`.
        """
        with transaction.atomic():
            profile = profiles.lock_profile(parse_uuid(id))
            profile = require_reach(request, profile)
            require_if_match(request, self._serialize_customer(profile))
            changes = parse_body(ProfileCorrectionSerializer, request)
            check_place(request, province=changes.get("province", ""), store=changes.get("store"))
            corrected = profiles.correct_locked_profile(
                profile=profile, changes=changes, by=actor_of(request)
            )
        return Response(self._serialize_customer(corrected))

    @extend_schema(
        summary="Look up a customer by external id",
        parameters=[_EXTERNAL_ID_PARAMETER],
        responses={200: CustomerSerializer, **_CUSTOMER_NOT_FOUND},
        examples=[examples.CUSTOMER_EXAMPLE],
        filters=False,
        tags=["customers"],
    )
    @action(detail=False, url_path="by-external-id", pagination_class=None)
    def by_external_id(self, request: Request) -> Response:
        """
        Return the customer with a loyalty number or account.

        404 if no customer has it. The access is logged. Required scope: `customers:read`.
        """
        reject_unknown_parameters(request.query_params, known={"external_id"})
        external_id = request.query_params.get("external_id", "").strip()
        if not external_id or "\x00" in external_id:
            raise BadInput("external_id", gettext("is required"), "required")
        customer = require_reach(request, find_customer_by_external_id(external_id))
        self.log_access(customer, "profile.read")
        return Response(self._serialize_customer(customer))

    @extend_schema(
        summary="List a customer's consents",
        parameters=[_CUSTOMER_ID_PARAMETER],
        responses=ConsentSerializer(many=True),
        examples=[examples.CONSENT_EXAMPLE],
        tags=["consents"],
    )
    @action(
        detail=True,
        methods=["get"],
        pagination_class=_ConsentPagination,
        serializer_class=ConsentSerializer,
    )
    def consents(self, _request: Request, id: str) -> Response:
        """
        Return active and withdrawn consents, the newest first.

        The access is logged. Required scope: `customers:read`.
        """
        customer = get_customer(self.request, id)
        self.log_access(customer, "consents.read")
        return self._paginate(consents_of(customer))

    @extend_schema(
        summary="Record a consent",
        parameters=[_CUSTOMER_ID_PARAMETER],
        request=ConsentRequestSerializer,
        responses={200: ConsentSerializer, 201: ConsentSerializer},
        examples=[
            examples.CONSENT_REQUEST_EXAMPLE,
            examples.CONSENT_CREATED_EXAMPLE,
            examples.CONSENT_EXISTING_EXAMPLE,
        ],
        tags=["consents"],
    )
    @consents.mapping.post
    def give_consent(self, request: Request, id: str) -> Response:
        """
        Record the consent to a version of a consent text.

        Returns the existing consent with 200 if the customer already agreed to that version. A
        consent to an earlier version of the same purpose is withdrawn. Required scope:
        `customers:write`.
        """
        customer = get_customer(request, id)
        body = parse_body(ConsentRequestSerializer, request)
        existing = find_active_consent(customer, body["purpose"])
        consent = consents.give_consent(customer=customer, **body, by=actor_of(request))
        is_new = existing is None or existing.pk != consent.pk
        location = location_of("customer-consent", customer.pk, consent.purpose)
        return Response(
            self._serialize(ConsentSerializer, consent),
            status=201 if is_new else 200,
            headers=location if is_new else None,
        )

    @extend_schema(
        summary="Get the active consent to a purpose",
        parameters=[_CUSTOMER_ID_PARAMETER, _PURPOSE_PARAMETER],
        responses={200: ConsentSerializer, **_NO_CONSENT},
        examples=[examples.CONSENT_EXAMPLE],
        filters=False,
        tags=["consents"],
    )
    @action(
        detail=True,
        methods=["get"],
        url_path="consents/(?P<purpose>[^/]+)",
        pagination_class=None,
    )
    def consent(self, request: Request, id: str, purpose: str) -> Response:
        """
        Return the active consent to a purpose; 404 if there is none.

        The access is logged. Required scope: `customers:read`.
        """
        reject_unknown_parameters(request.query_params, known=set())
        customer = get_customer(request, id)
        consent = find_active_consent(customer, purpose)
        if consent is None:
            raise Http404
        self.log_access(customer, "consents.read")
        return Response(self._serialize(ConsentSerializer, consent))

    @extend_schema(
        summary="Withdraw a consent",
        parameters=[_CUSTOMER_ID_PARAMETER, _PURPOSE_PARAMETER],
        responses={200: ConsentWithdrawalSerializer},
        examples=[examples.WITHDRAWAL_EXAMPLE],
        tags=["consents"],
    )
    @consent.mapping.delete
    def withdraw_consent(self, request: Request, id: str, purpose: str) -> Response:
        """
        Withdraw the active consent of a purpose and remove the data that depends on it.

        `history`: purchases and interactions are unlinked from the customer. `profiling`: derived
        preferences are deleted. `chat`: chat sessions are deleted. `face_verification`,
        `face_identification`: the face template is deleted. Safe to repeat. Required scope:
        `customers:write`.
        """
        reject_unknown_parameters(request.query_params, known=set())
        withdrawn_count = consents.withdraw_consent(
            customer=get_customer(self.request, id), purpose=purpose, by=actor_of(request)
        )
        return Response({"purpose": purpose, "withdrawn_count": withdrawn_count})

    @extend_schema(
        summary="List a customer's purchases",
        parameters=[_CUSTOMER_ID_PARAMETER],
        responses=PurchaseSerializer(many=True),
        examples=[examples.PURCHASE_EXAMPLE],
        tags=["customers"],
    )
    @action(detail=True, pagination_class=_PurchasePagination, serializer_class=PurchaseSerializer)
    def purchases(self, _request: Request, id: str) -> Response:
        """
        Return receipt lines, the newest first.

        Purchases are linked to a customer only with the consent `history`. The access is logged.
        Required scope: `customers:read`.
        """
        customer = get_customer(self.request, id)
        self.log_access(customer, "purchases.read")
        return self._paginate(purchases_of(customer))

    @extend_schema(
        summary="List a customer's interactions",
        parameters=[_CUSTOMER_ID_PARAMETER],
        responses=InteractionSerializer(many=True),
        examples=[examples.INTERACTION_EXAMPLE],
        tags=["customers"],
    )
    @action(
        detail=True, pagination_class=_InteractionPagination, serializer_class=InteractionSerializer
    )
    def interactions(self, _request: Request, id: str) -> Response:
        """
        Return views, basket changes, likes and dislikes, the newest first.

        Interactions are linked to a customer only with the consent `history`. The access is
        logged. Required scope: `customers:read`.
        """
        customer = get_customer(self.request, id)
        self.log_access(customer, "interactions.read")
        return self._paginate(interactions_of(customer))

    @extend_schema(
        summary="Record an age verification",
        parameters=[_CUSTOMER_ID_PARAMETER],
        request=AgeVerificationSerializer,
        responses=CustomerSerializer,
        examples=[examples.AGE_VERIFICATION_REQUEST_EXAMPLE, examples.CUSTOMER_EXAMPLE],
        tags=["customers"],
    )
    @action(detail=True, methods=["post"], url_path="age-verification")
    def verify_age(self, request: Request, id: str) -> Response:
        """
        Record that the age of a customer was verified, and how.

        The document itself is not stored. Legal ages: 18 in Alberta, 21 in Quebec, 19 elsewhere.
        Required scope: `customers:write`.
        """
        body = parse_body(AgeVerificationSerializer, request)
        customer = profiles.verify_age(
            customer=get_customer(self.request, id), **body, by=actor_of(request)
        )
        return Response(self._serialize_customer(customer))

    @extend_schema(
        summary="Export a customer's personal data",
        parameters=[_CUSTOMER_ID_PARAMETER],
        responses=CustomerExportSerializer,
        examples=[examples.EXPORT_EXAMPLE],
        tags=["privacy"],
    )
    @action(detail=True, pagination_class=None)
    def export(self, request: Request, id: str) -> Response:
        """
        Return all personal data of a customer, by the store that holds it, as a file to save.

        The access is logged. Required scope: `privacy:read`.
        """
        reject_unknown_parameters(request.query_params, known=set())
        customer = get_customer(request, id)
        data = export_customer(customer=customer.pk, by=actor_of(request))
        disposition = f'attachment; filename="customer-{customer.pk}.json"'
        return Response(
            {"format_version": EXPORT_FORMAT_VERSION, "customer_id": customer.pk, "data": data},
            headers={"Content-Disposition": disposition},
        )

    @extend_schema(
        summary="Erase a customer",
        parameters=[_CUSTOMER_ID_PARAMETER],
        request=ErasureRequestSerializer,
        responses={200: ErasureSerializer, **_NOT_ERASABLE},
        examples=[
            examples.ERASURE_REQUEST_EXAMPLE,
            examples.DRY_RUN_REQUEST_EXAMPLE,
            examples.ERASURE_EXAMPLE,
            examples.DRY_RUN_EXAMPLE,
        ],
        tags=["privacy"],
    )
    @action(detail=True, methods=["post"], url_path="erasure")
    def erase(self, request: Request, id: str) -> Response:
        """
        Delete all personal data of a customer and return a receipt.

        With `dry_run` the items are only counted. Purchases stay as anonymous sales. 409 under a
        legal hold, with its reason, and while another process works on the customer. Safe to
        repeat: a second receipt reports that nothing was left. Required scope: `privacy:write`.
        """
        body = parse_body(ErasureRequestSerializer, request)
        customer_id = parse_uuid(id)
        customer = find_customer(customer_id)
        if customer is not None:
            require_reach(request, customer)
        try:
            receipt = erase(subject=customer_id, requested_by=actor_of(request), **body)
        except PersonNotFound:
            raise Http404 from None
        except (LegalHoldActive, PersonLocked) as error:
            raise Conflict(str(error), [("id", str(error))]) from error
        if body["dry_run"]:
            receipt.started_at = None  # type: ignore[assignment]  # a dry run does not start
            self.log_access(customer_id, "erasure.dry_run")
        return Response(self._serialize(ErasureSerializer, receipt))

    def _paginate(self, rows: QuerySet[Any]) -> Response:
        reject_unknown_parameters(self.request.query_params, known={"cursor", "limit"})
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def _serialize_customer(self, customer: CustomerProfile) -> Any:
        return self._serialize(CustomerSerializer, customer)

    def _serialize(self, serializer_class: type[Any], row: Any) -> Any:
        return serializer_class(row, context=self.get_serializer_context()).data


class ConsentTextsView(ConditionalView):
    """Current consent texts."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="consent_texts_list",
        summary="List the current consent texts",
        parameters=[_LANGUAGE_PARAMETER],
        responses=ConsentTextsSerializer,
        examples=[examples.CONSENT_TEXTS_EXAMPLE],
        tags=["consents"],
    )
    def get(self, request: Request) -> Response:
        """
        Return the newest text of each purpose, in one language.

        Show the text to the customer and send its version with the consent. Every key may read it.
        """
        reject_unknown_parameters(request.query_params, known={"language"})
        language = parse_language(request.query_params.get("language", "en"))
        context = {"request": request, "language": language}
        serializer: Any = ConsentTextSerializer(current_consent_texts(), many=True, context=context)
        return Response({"results": serializer.data})
