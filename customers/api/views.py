"""Doors to people: read what is asked, call one service, write its answer."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.etags import ConditionalView, require_if_match
from config.api.keys import actor_of
from config.api.pagination import ApiCursorPagination
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import CanErasePersonalData, CanReadCustomers, CanWriteCustomers
from config.errors import BadInput, Conflict
from customers.api.parameters import CustomerDataViewSet, get_customer, parse_body, parse_uuid
from customers.api.serializers import (
    AgeProofSerializer,
    ConsentSerializer,
    ConsentTextSerializer,
    ConsentTextsSerializer,
    CustomerChangesSerializer,
    CustomerSerializer,
    ErasureSerializer,
    ExportedSerializer,
    InteractionSerializer,
    NewConsentSerializer,
    NewCustomerSerializer,
    NewErasureSerializer,
    PurchaseSerializer,
    WithdrawnSerializer,
)
from customers.models import Consent, ConsentText, CustomerProfile, Interaction, Purchase
from customers.profile_export import export_customer
from customers.services import consents, profiles
from mlops.privacy.erasure import LegalHoldActive, PersonLocked, PersonNotFound, erase

_PAGES = [
    OpenApiParameter("cursor", str, description="`next` of the last page"),
    OpenApiParameter("limit", int, description="1–100"),
]
_ID = OpenApiParameter("id", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="ETag of what was read"
)


class _ByPurchase(ApiCursorPagination):
    ordering = ("-purchased_at", "id")


class _ByTime(ApiCursorPagination):
    ordering = ("-occurred_at", "id")


class _ByConsent(ApiCursorPagination):
    ordering = ("-given_at", "id")


class CustomerViewSet(CustomerDataViewSet):
    """People: registered, corrected, their consents, their history, forgotten."""

    queryset = CustomerProfile.objects.all()
    serializer_class = CustomerSerializer
    scopes: ClassVar = {
        "create": CanWriteCustomers,
        "retrieve": CanReadCustomers,
        "partial_update": CanWriteCustomers,
        "by_external_id": CanReadCustomers,
        "consents": CanReadCustomers,
        "give_consent": CanWriteCustomers,
        "withdraw_consent": CanWriteCustomers,
        "purchases": CanReadCustomers,
        "interactions": CanReadCustomers,
        "verify_age": CanWriteCustomers,
        "export": CanReadCustomers,
        "erase": CanErasePersonalData,
    }

    @extend_schema(request=NewCustomerSerializer, responses={201: CustomerSerializer})
    def create(self, request: Request) -> Response:
        """Register somebody by their loyalty number or account; 409 when they are registered already."""
        made = profiles.register_customer(
            **parse_body(NewCustomerSerializer, request), by=actor_of(request)
        )
        return Response(self._shown(made), status=201)

    @extend_schema(parameters=[_ID])
    def retrieve(self, request: Request, id: str) -> Response:
        """Show what is known of somebody."""
        reject_unknown_parameters(request.query_params, known=set())
        customer = get_customer(id)
        self.log_access(customer, "profile.read")
        return Response(self._shown(customer))

    @extend_schema(
        parameters=[_ID, _MATCH], request=CustomerChangesSerializer, responses=CustomerSerializer
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """
        Correct what is wrong, state preferences. What is stated outranks what purchases tell; null takes it back.

        Needs If-Match with the ETag of what was read (428 without): 412 when it has changed since.
        """
        with transaction.atomic():
            customer = get_customer(id)
            CustomerProfile.objects.select_for_update().get(pk=customer.pk)
            require_if_match(request, self._shown(get_customer(id)))
            changes = parse_body(CustomerChangesSerializer, request)
            corrected = profiles.correct_profile(
                customer=customer, changes=changes, by=actor_of(request)
            )
        return Response(self._shown(corrected))

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "external_id", str, required=True, description="loyalty number or account"
            )
        ],
        responses=CustomerSerializer,
        filters=False,
    )
    @action(detail=False, url_path="by-external-id", pagination_class=None)
    def by_external_id(self, request: Request) -> Response:
        """Show who has this loyalty number or account."""
        reject_unknown_parameters(request.query_params, known={"external_id"})
        number = request.query_params.get("external_id", "").strip()
        if not number or "\x00" in number:
            raise BadInput("external_id", "must be told")
        customer = (
            CustomerProfile.objects.select_related("store")
            .filter(external_customer_id=number)
            .first()
        )
        if customer is None:
            raise Http404
        self.log_access(customer, "profile.read")
        return Response(self._shown(customer))

    @extend_schema(parameters=[_ID, *_PAGES], responses=ConsentSerializer(many=True))
    @action(
        detail=True,
        methods=["get"],
        pagination_class=_ByConsent,
        serializer_class=ConsentSerializer,
    )
    def consents(self, request: Request, id: str) -> Response:
        """List consents, also those taken back, the newest first."""
        customer = get_customer(id)
        self.log_access(customer, "consents.read")
        return self._page(Consent.objects.filter(customer=customer).select_related("text"))

    @extend_schema(
        parameters=[_ID], request=NewConsentSerializer, responses={201: ConsentSerializer}
    )
    @consents.mapping.post
    def give_consent(self, request: Request, id: str) -> Response:
        """Note a consent, with the version of the text that was shown. Given already to the same one, nothing changes."""
        given = consents.give_consent(
            customer=get_customer(id),
            **parse_body(NewConsentSerializer, request),
            by=actor_of(request),
        )
        return Response(self._written(ConsentSerializer, given), status=201)

    @extend_schema(
        parameters=[
            _ID,
            OpenApiParameter(
                "purpose", str, OpenApiParameter.PATH, enum=ConsentText.Purpose.values
            ),
        ],
        responses={200: WithdrawnSerializer},
    )
    @action(detail=True, methods=["delete"], url_path="consents/(?P<purpose>[^/]+)")
    def withdraw_consent(self, request: Request, id: str, purpose: str) -> Response:
        """Take a consent back. What rested on it goes at once: history is unlinked, conversations are deleted."""
        reject_unknown_parameters(request.query_params, known=set())
        closed = consents.withdraw_consent(
            customer=get_customer(id), purpose=purpose, by=actor_of(request)
        )
        return Response({"purpose": purpose, "closed": closed})

    @extend_schema(parameters=[_ID, *_PAGES], responses=PurchaseSerializer(many=True))
    @action(detail=True, pagination_class=_ByPurchase, serializer_class=PurchaseSerializer)
    def purchases(self, request: Request, id: str) -> Response:
        """List lines of receipts, the newest first; kept under somebody only with their consent."""
        customer = get_customer(id)
        self.log_access(customer, "purchases.read")
        return self._page(Purchase.objects.filter(customer=customer).select_related("store"))

    @extend_schema(parameters=[_ID, *_PAGES], responses=InteractionSerializer(many=True))
    @action(detail=True, pagination_class=_ByTime, serializer_class=InteractionSerializer)
    def interactions(self, request: Request, id: str) -> Response:
        """List what somebody looked at, put into baskets, praised and blamed, the newest first."""
        customer = get_customer(id)
        self.log_access(customer, "interactions.read")
        return self._page(Interaction.objects.filter(customer=customer).select_related("store"))

    @extend_schema(parameters=[_ID], request=AgeProofSerializer, responses=CustomerSerializer)
    @action(detail=True, methods=["post"], url_path="age-verification")
    def verify_age(self, request: Request, id: str) -> Response:
        """Note that somebody has shown to be of age, and by what. The document is not kept."""
        shown = parse_body(AgeProofSerializer, request)
        return Response(
            self._shown(
                profiles.verify_age(customer=get_customer(id), **shown, by=actor_of(request))
            )
        )

    @extend_schema(parameters=[_ID], responses=ExportedSerializer)
    @action(detail=True, pagination_class=None)
    def export(self, request: Request, id: str) -> Response:
        """Export everything on somebody."""
        reject_unknown_parameters(request.query_params, known=set())
        customer = get_customer(id)
        return Response(
            {
                "customer": customer.pk,
                "data": export_customer(customer=customer.pk, by=actor_of(request)),
            }
        )

    @extend_schema(parameters=[_ID], request=NewErasureSerializer, responses=ErasureSerializer)
    @action(detail=True, methods=["post"], url_path="erasure")
    def erase(self, request: Request, id: str) -> Response:
        """
        Forget somebody everywhere, and answer the receipt. `dry_run` only counts what would be removed.

        409 under a legal hold, with its reason. Asked again, the receipt says that nothing was left.
        """
        asked, customer = parse_body(NewErasureSerializer, request), parse_uuid(id)
        try:
            receipt = erase(subject=customer, requested_by=actor_of(request), **asked)
        except PersonNotFound:
            raise Http404 from None
        except (LegalHoldActive, PersonLocked) as refusal:
            raise Conflict(str(refusal), [("id", str(refusal))]) from refusal
        if asked["dry_run"]:
            receipt.started_at = None  # type: ignore[assignment]  # it did not begin
            self.log_access(customer, "erasure.dry-run")
        return Response(self._written(ErasureSerializer, receipt))

    def _page(self, rows: QuerySet[Any]) -> Response:
        reject_unknown_parameters(self.request.query_params, known={"cursor", "limit"})
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def _shown(self, customer: CustomerProfile) -> Any:
        return self._written(CustomerSerializer, customer)

    def _written(self, serializer: type[Any], row: Any) -> Any:
        return serializer(row, context=self.get_serializer_context()).data


class ConsentTextsView(ConditionalView):
    """What people are asked."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="consent_texts_list",
        parameters=[OpenApiParameter("lang", str, enum=["en", "fr"], description="en unless told")],
        responses=ConsentTextsSerializer,
    )
    def get(self, request: Request) -> Response:
        """List the newest text of each purpose, in one language."""
        reject_unknown_parameters(request.query_params, known={"lang"})
        language = request.query_params.get("lang", "en")
        if language not in ("en", "fr"):
            raise BadInput("lang", "must be en or fr")
        newest = ConsentText.objects.order_by("purpose", "-created_at", "-version").distinct(
            "purpose"
        )
        context = {"request": request, "language": language}
        return Response({"results": ConsentTextSerializer(newest, many=True, context=context).data})
