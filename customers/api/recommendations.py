"""Doors to recommendations: what is kept as it left answers at once, everything else goes the whole way."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.keys import (
    ApiClient,
    Audience,
    MayReadRecommendations,
    MaySendEvents,
    actor_of,
    admit,
    client_at_hand,
    client_of,
)
from config.cache import Rendered
from customers.api.parameters import told, uuid_of
from customers.api.recommendation_parameters import CUSTOMER, PARAMETERS, SESSION, Asked, read
from customers.api.recommendation_serializers import (
    RecommendationFeedbackSerializer,
    RecommendationSerializer,
    RecordedFeedbackSerializer,
    told_of,
)
from customers.models import Recommendation, Scenario
from customers.recommendations.cache import ANSWERS, is_still_so, owner_of, render
from customers.recommendations.pipeline import recommend
from customers.recommendations.request import Question, Unknown
from customers.recommendations.result import Answer
from customers.services.access import note
from customers.services.recommendations import record_feedback


class RecommendationsView(APIView):
    """What would this person want, here and now, and why."""

    permission_classes = (IsAuthenticated, MayReadRecommendations)

    @classmethod
    def as_view(cls, **initial: Any) -> Any:
        """Put what is kept in the process before everything that reads, permits and renders."""
        whole_way: Any = super().as_view(**initial)

        def view(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
            return _at_hand(request) or whole_way(request, *arguments, **named)

        view.__dict__.update(whole_way.__dict__)  # by these the schema and the checks know the view
        return view

    def answered(self, request: Request, customer: UUID | None) -> HttpResponse:
        """Answer from what is kept, or make it."""
        client = client_of(request)
        assert client is not None  # noqa: S101  # permissions have seen to it
        ticket = ANSWERS.ticket()
        asked = read(request.query_params, customer=customer, client=client)
        try:
            kept = _kept(asked, client)
        except Unknown:
            raise Http404 from None
        if customer:
            note(customer=customer, actor=actor_of(request), action="recommendations.read")
        if kept.lifetime > 0:
            ANSWERS.keep_near(_near_key(client, request.get_full_path()), kept, ticket)
        return _respond(request, kept)


class PersonRecommendationsView(RecommendationsView):
    """For somebody we know."""

    @extend_schema(
        operation_id="recommendations_for_customer",
        parameters=[CUSTOMER, *PARAMETERS],
        responses=RecommendationSerializer,
    )
    def get(self, request: Request, customer_id: str) -> HttpResponse:
        """
        Recommend to somebody, as far as they agreed: without the consents `history` and `profiling` nothing is personal.

        Nothing is recommended that is not in stock in the store, may not be sold in its province, is hidden by staff, or that
        the person dislikes; and nothing at all while their age is not proven. The answer tells how far it fell back, and why.
        """
        return self.answered(request, uuid_of(customer_id, "customer_id"))


class VisitRecommendationsView(RecommendationsView):
    """For whoever is there."""

    @extend_schema(
        operation_id="recommendations_for_visit",
        parameters=[SESSION, *PARAMETERS],
        responses=RecommendationSerializer,
    )
    def get(self, request: Request) -> HttpResponse:
        """Recommend to somebody we do not know: by what they look at or have in the basket, else what sells in the store."""
        return self.answered(request, None)


class FeedbackView(APIView):
    """What became of recommendations."""

    permission_classes = (IsAuthenticated, MaySendEvents)

    @extend_schema(
        operation_id="recommendations_feedback",
        request=RecommendationFeedbackSerializer,
        responses=RecordedFeedbackSerializer,
    )
    def post(self, request: Request) -> Response:
        """Note that recommended products were shown, clicked or bought; told again of the same visit, nothing changes."""
        body = told(RecommendationFeedbackSerializer, request)
        try:
            recorded = record_feedback(
                recommendation=body["recommendation_id"],
                told=body["feedback"],
                session=body["session"],
            )
        except Recommendation.DoesNotExist:
            raise Http404 from None
        return Response({"recommendation_id": body["recommendation_id"], "recorded": recorded})


def _at_hand(request: HttpRequest) -> HttpResponse | None:
    """Answer what this client was answered before, as long as it is so; None where the whole way is due."""
    if request.method != "GET":
        return None
    client = client_at_hand(request.META.get("HTTP_AUTHORIZATION", ""))
    if client is None:
        return None
    kept = ANSWERS.near(_near_key(client, request.get_full_path()))
    if kept is None or admit(client) is not None:
        return None
    return _respond(request, kept)


def _kept(asked: Asked, client: ApiClient) -> Rendered:
    """Return the answer that is kept, or make it."""
    is_of_a_visit = asked.question.scenario == Scenario.Name.BASKET and not asked.question.products
    # Whatever else is asked in a visit is answered to everybody alike, and noted as nobody's.
    question = asked.question if is_of_a_visit else replace(asked.question, session="")
    field = _field(question, asked.language, client.audience)

    def make() -> Rendered:
        answer = _answer(question, asked.language)
        return render(answer, question, _as_bytes(answer, client.audience))

    if is_of_a_visit:  # what lies in a basket changes with every visit
        return replace(make(), lifetime=0.0)
    return ANSWERS.get_or_make(
        owner=owner_of(question, field), field=field, make=make, is_still_so=is_still_so
    )


def _as_bytes(answer: Answer, audience: Audience) -> bytes:
    title = answer.scenario.title_fr if answer.language == "fr" else answer.scenario.title_en
    rendered: bytes = JSONRenderer().render(told_of(answer, title=title, audience=audience))
    return rendered


def _respond(request: Any, kept: Rendered) -> HttpResponse:
    response = HttpResponse(kept.body, content_type="application/json")
    response["ETag"] = kept.etag
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization"
    if "HTTP_IF_NONE_MATCH" in request.META:
        return get_conditional_response(request, etag=kept.etag, response=response) or response
    return response


def _near_key(client: ApiClient, path: str) -> str:
    """Return under what an answer is kept in the process: with whatever of the key decides what it may see."""
    key = client.key
    return f"{key.prefix} {key.audience} {key.province} {','.join(key.scopes)} {path}"


def _field(question: Question, language: str, audience: Audience) -> str:
    """Return what tells one answer of a person from another."""
    store = question.store.pk if question.store else question.province
    parts = (
        question.scenario,
        store,
        question.limit,
        ",".join(map(str, question.products)),
        question.least_price,
        question.most_price,
        language,
        audience.name,
    )
    return "|".join("" if part is None else str(part) for part in parts)


def _answer(question: Question, language: str) -> Answer:
    return recommend(
        question, language=language, silent=["cache-silent"] if ANSWERS.is_silent() else ()
    )
