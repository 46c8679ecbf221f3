"""REST endpoints of recommendations, with two cache levels, and of feedback on them."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.bodies import parse_body
from config.api.etags import rendered_response
from config.api.idempotency import IdempotentView
from config.api.keys import ApiClient, Audience, actor_of, binding_of, client_of
from config.api.local_entries import store_locally
from config.api.local_responses import serve_locally
from config.api.permissions import has_scope
from config.api.problem_responses import documented_problem
from config.cache import RenderedResponse, is_shared_cache_unavailable
from customers.api.parameters import parse_uuid, require_reach
from customers.api.recommendation_examples import (
    FEEDBACK_REQUEST_EXAMPLE,
    FEEDBACK_RESPONSE_EXAMPLE,
    NOT_PERSONALIZED_EXAMPLE,
    PERSONALIZED_EXAMPLE,
)
from customers.api.recommendation_parameters import (
    CUSTOMER_ID_PARAMETER,
    PARAMETERS,
    SESSION_ID_PARAMETER,
    RecommendationParameters,
    parse_parameters,
)
from customers.api.recommendation_serializers import (
    RecommendationFeedbackSerializer,
    RecommendationSerializer,
    RecordedFeedbackSerializer,
    serialize_recommendations,
)
from customers.models import Recommendation, Scenario
from customers.recommendations import (
    RECOMMENDATION_CACHE,
    RecommendationLookupError,
    RecommendationRequest,
    RecommendationResult,
    assign_variant,
    cache_owner,
    recommend,
    render_result,
)
from customers.selectors.profiles import find_customer
from customers.services.access import log_access
from customers.services.recommendations import record_feedback
from mlops.experiments import Assignment

# Changes with the rendered form, so that processes of two releases do not share responses.
_RENDERING_VERSION = 2
_RECOMMENDATION_NOT_FOUND = documented_problem(
    404, "not_found", "Not found.", description="There is no such recommendation response."
)


class RecommendationsView(APIView):
    """Base class of the recommendation endpoints; serves from the local cache where possible."""

    permission_classes = (IsAuthenticated, has_scope("recommendations:read"))
    has_etag = True
    """Read by the OpenAPI schema."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, preceded by a look-up in the local cache of the process."""
        return serve_locally(super().as_view(**initkwargs), RECOMMENDATION_CACHE)

    def respond(self, request: Request, customer_id: UUID | None) -> HttpResponse:
        """Return the cached or newly computed response; log access to a customer's data."""
        client = client_of(request)
        assert client is not None  # noqa: S101  # ensured by the permissions
        # Read before any data, so that a change in the meantime prevents local caching.
        generation = RECOMMENDATION_CACHE.generation()
        parameters = parse_parameters(request.query_params, customer_id=customer_id, client=client)
        if customer_id and client.binding.is_bound:
            require_reach(request, find_customer(customer_id))
        try:
            rendered = _cached_or_computed(parameters, client)
        except RecommendationLookupError:
            raise Http404 from None
        if customer_id:
            log_access(customer=customer_id, actor=actor_of(request), action="recommendations.read")
        store_locally(request, client, RECOMMENDATION_CACHE, rendered, generation)
        return rendered_response(request, rendered)


class CustomerRecommendationsView(RecommendationsView):
    """Recommendations for a known customer."""

    @extend_schema(
        operation_id="recommendations_for_customer",
        summary="Recommend products to a customer",
        parameters=[CUSTOMER_ID_PARAMETER, *PARAMETERS],
        responses=RecommendationSerializer,
        examples=[PERSONALIZED_EXAMPLE, NOT_PERSONALIZED_EXAMPLE],
        tags=["recommendations"],
    )
    def get(self, request: Request, customer_id: str) -> HttpResponse:
        """
        Return products for a customer, the best first.

        Results are personalized only with the consents `history` and `profiling`. Products that
        are out of stock, may not be sold in the province, are hidden by staff or are disliked by
        the customer are never returned. While the age of the customer is not verified for the
        province, there are no results. `fallback` says whether and why the response degraded.

        The response has an `ETag`; send it as `If-None-Match` to receive 304 if nothing changed.
        Each request is recorded in the access log of the customer. Required scope:
        `recommendations:read`.
        """
        return self.respond(request, parse_uuid(customer_id, "customer_id"))


class SessionRecommendationsView(RecommendationsView):
    """Recommendations for an anonymous session."""

    @extend_schema(
        operation_id="recommendations_for_session",
        summary="Recommend products to an anonymous visitor",
        parameters=[SESSION_ID_PARAMETER, *PARAMETERS],
        responses=RecommendationSerializer,
        examples=[NOT_PERSONALIZED_EXAMPLE],
        tags=["recommendations"],
    )
    def get(self, request: Request) -> HttpResponse:
        """
        Return products for a visitor who is not signed in, the best first.

        Results follow from the viewed product or from the basket; otherwise the best sellers of
        the store are returned. Stock, provincial law and staff rules apply as for customers; the
        client must have verified the age of the visitor. Required scope: `recommendations:read`.
        """
        return self.respond(request, None)


class RecommendationFeedbackView(IdempotentView):
    """Feedback on recommended products."""

    permission_classes = (IsAuthenticated, has_scope("events:write"))

    @extend_schema(
        operation_id="recommendations_feedback",
        summary="Record feedback on recommended products",
        request=RecommendationFeedbackSerializer,
        responses={200: RecordedFeedbackSerializer, **_RECOMMENDATION_NOT_FOUND},
        examples=[FEEDBACK_REQUEST_EXAMPLE, FEEDBACK_RESPONSE_EXAMPLE],
        tags=["recommendations"],
    )
    def post(self, request: Request) -> Response:
        """
        Record that recommended products were shown, clicked or bought.

        Each outcome of a product counts once per session, so requests are safe to repeat. 404 if
        the recommendation is unknown, or of a store or customer that the key does not reach; 400
        for a product that it did not contain. Required scope: `events:write`.
        """
        body = parse_body(RecommendationFeedbackSerializer, request)
        try:
            recorded_count = record_feedback(
                recommendation_id=body["recommendation_id"],
                feedback=body["feedback"],
                session=body["session_id"],
                binding=binding_of(request),
            )
        except Recommendation.DoesNotExist:
            raise Http404 from None
        return Response(
            {"recommendation_id": body["recommendation_id"], "recorded_count": recorded_count}
        )


def _cached_or_computed(
    parameters: RecommendationParameters, client: ApiClient
) -> RenderedResponse:
    """Return the response in the shared cache, or compute it. Raises RecommendationLookupError."""
    recommendation_request = parameters.request
    variant = assign_variant(recommendation_request)
    reads_session_basket = (
        recommendation_request.scenario == Scenario.Name.BASKET
        and not recommendation_request.products
    )
    if not reads_session_basket:
        # All other responses are the same in every session: they are shared, and stored without it.
        recommendation_request = replace(recommendation_request, session="")
    field = _cache_field(recommendation_request, parameters.language, client.audience, variant)

    def compute() -> RenderedResponse:
        result = _recommend(recommendation_request, parameters.language, variant)
        body = _render_body(result, client.audience)
        return render_result(result, body)

    if reads_session_basket:
        # The basket changes with every event of the session.
        return replace(compute(), lifetime=0.0)
    return RECOMMENDATION_CACHE.get_or_compute(
        owner=cache_owner(recommendation_request, field),
        field=field,
        compute=compute,
    )


def _render_body(result: RecommendationResult, audience: Audience) -> bytes:
    scenario = result.scenario
    title = scenario.title_fr if result.language == "fr" else scenario.title_en
    body: bytes = JSONRenderer().render(
        serialize_recommendations(result, title=title, audience=audience)
    )
    return body


def _cache_field(
    request: RecommendationRequest, language: str, audience: Audience, variant: Assignment | None
) -> str:
    """Return the field that distinguishes the cached responses of one owner."""
    parts = (
        _RENDERING_VERSION,
        request.scenario,
        request.store.pk if request.store else request.province,
        request.limit,
        ",".join(map(str, request.products)),
        request.min_price,
        request.max_price,
        language,
        audience.name,
        f"{variant.experiment_id} {variant.variant}" if variant else None,
    )
    return "|".join("" if part is None else str(part) for part in parts)


def _recommend(
    request: RecommendationRequest, language: str, variant: Assignment | None
) -> RecommendationResult:
    return recommend(
        request,
        language=language,
        variant=variant,
        unavailable=["cache_unavailable"] if is_shared_cache_unavailable() else (),
    )
