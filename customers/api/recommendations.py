"""Doors to recommendations: what is kept as it left answers at once, everything else goes the whole way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models import Store
from catalog.reference.provinces import PROVINCES
from catalog.selectors import products_named
from config.access import (
    ApiClient,
    Audience,
    MayReadRecommendations,
    MaySendEvents,
    actor_of,
    admit,
    client_at_hand,
    client_of,
)
from config.api import refuse_unknown, whole_number
from config.caching import Rendered
from config.errors import BadInput
from customers.api.doors import told, uuid_of
from customers.api.recommendation_serializers import (
    RecommendationFeedbackSerializer,
    RecommendationSerializer,
    RecordedFeedbackSerializer,
    told_of,
)
from customers.cache import ANSWERS, is_still_so, owner_of, render
from customers.models import Recommendation, Scenario
from customers.recommending.answering import LEVELS, Answer, recommend
from customers.recommending.asking import Question
from customers.services.access import note
from customers.services.recommendations import record_feedback

MOST, _MOST_IN_BASKET, _LONGEST_SESSION = 50, 50, 100
_LOOKED_AT = (Scenario.Name.PRODUCT, Scenario.Name.SUBSTITUTE)
_PARAMETERS = [
    OpenApiParameter("scenario", str, enum=Scenario.Name.values, description="home unless told; lookup is for staff"),
    OpenApiParameter("store", str, description="code; else what any store of the province has"),
    OpenApiParameter("limit", int, description=f"1–{MOST}, 10 unless told"),
    OpenApiParameter("product", str, description="id or SKU of what is looked at, or sold out"),
    OpenApiParameter("basket", str, description="ids or SKUs in the basket, comma separated"),
    OpenApiParameter("min_price", float, description="dollars"),
    OpenApiParameter("max_price", float, description="dollars"),
    OpenApiParameter("lang", str, enum=["en", "fr"], description="of reasons and title; else the person's"),
]
_SESSION = OpenApiParameter("session", str, description="a visit; its basket counts where none is told")
_ID = OpenApiParameter("customer_id", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
_NAMES = frozenset(parameter.name for parameter in _PARAMETERS)


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question
    language: str


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
        asked = _read(request.query_params, customer=customer, client=client)
        try:
            kept = _kept(asked, client)
        except LookupError:
            raise Http404 from None
        if customer:
            note(customer=customer, actor=actor_of(request), action="recommendations.read")
        if kept.lifetime > 0:
            ANSWERS.keep_near(_near_key(client, request.get_full_path()), kept, ticket)
        return _respond(request, kept)


class PersonRecommendationsView(RecommendationsView):
    """For somebody we know."""

    @extend_schema(
        operation_id="recommendations_for_customer", parameters=[_ID, *_PARAMETERS], responses=RecommendationSerializer
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
        parameters=[_SESSION, *_PARAMETERS],
        responses=RecommendationSerializer,
    )
    def get(self, request: Request) -> HttpResponse:
        """Recommend to somebody we do not know: by what they look at or have in the basket, else what sells in the store."""
        return self.answered(request, None)


class FeedbackView(APIView):
    """What became of recommendations."""

    permission_classes = (IsAuthenticated, MaySendEvents)

    @extend_schema(
        operation_id="recommendations_feedback", request=RecommendationFeedbackSerializer,
        responses=RecordedFeedbackSerializer,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Note that recommended products were shown, clicked or bought; told again, nothing changes."""
        body = told(RecommendationFeedbackSerializer, request)
        try:
            recorded = record_feedback(recommendation=body["recommendation_id"], told=body["feedback"])
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


def _kept(asked: _Asked, client: ApiClient) -> Rendered:
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
    return ANSWERS.get_or_make(owner=owner_of(question, field), field=field, make=make, is_still_so=is_still_so)


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
        question.scenario, store, question.limit, ",".join(map(str, question.products)), question.least_price,
        question.most_price, language, audience.name,
    )  # fmt: skip
    return "|".join("" if part is None else str(part) for part in parts)


def _answer(question: Question, language: str) -> Answer:
    answer = recommend(question, language=language)
    if not ANSWERS.is_silent():
        return answer
    why = (*answer.why, "cache-silent")
    return replace(answer, why=why, level=max(LEVELS[reason] for reason in why))


def _read(params: Mapping[str, str], *, customer: UUID | None, client: ApiClient) -> _Asked:
    """Read a question. Raises BadInput."""
    refuse_unknown(params, known=set(_NAMES if customer else _NAMES | {"session"}))
    if "\x00" in "".join(params.values()):
        raise BadInput("", "must not hold a null character")
    scenario = params.get("scenario", Scenario.Name.HOME)
    if scenario not in Scenario.Name.values:
        raise BadInput("scenario", f"must be one of {', '.join(Scenario.Name.values)}")
    if scenario == Scenario.Name.LOOKUP and client.audience < Audience.STAFF:
        raise BadInput("scenario", "lookup is for staff")
    language = params.get("lang", "")
    if language not in ("", "en", "fr"):
        raise BadInput("lang", "must be en or fr")
    session = params.get("session", "")
    if len(session) > _LONGEST_SESSION:
        raise BadInput("session", f"must have at most {_LONGEST_SESSION} characters")
    least, most = _price(params, "min_price"), _price(params, "max_price")
    if least is not None and most is not None and least > most:
        raise BadInput("min_price", "must not be above max_price")
    store = _store(params.get("store", ""), client)
    return _Asked(
        Question(
            scenario=scenario, customer=customer, session=session, store=store, province=_province(client),
            products=_products(params, scenario, session), least_price=least, most_price=most,
            limit=whole_number(params.get("limit"), field="limit", default=10, low=1, high=MOST),
        ),
        language,
    )  # fmt: skip


def _store(code: str, client: ApiClient) -> Store | None:
    if not code:
        return None
    store = Store.objects.filter(code=code[:50]).first()
    if store is None:
        raise BadInput("store", "is not known")
    if client.key.province and store.province != client.key.province:
        raise BadInput("store", f"is not in {client.key.province}, for which this key is")
    return store


def _province(client: ApiClient) -> str:
    return client.key.province if client.key.province in PROVINCES else ""


def _products(params: Mapping[str, str], scenario: str, session: str) -> tuple[UUID, ...]:
    """Return what is looked at, or in the basket. Raises BadInput where the scenario needs other than was told."""
    needed = "product" if scenario in _LOOKED_AT else "basket" if scenario == Scenario.Name.BASKET else ""
    for name in ("product", "basket"):
        if params.get(name) and name != needed:
            raise BadInput(name, f"means nothing in the scenario {scenario}")
    names = [name.strip() for name in params.get(needed, "").split(",") if name.strip()] if needed else []
    if not names:
        if needed and not (needed == "basket" and session):
            raise BadInput(needed, f"is needed in the scenario {scenario}")
        return ()
    if needed == "product" and len(names) > 1:
        raise BadInput("product", "must be one")
    if len(names) > _MOST_IN_BASKET:
        raise BadInput("basket", f"must be {_MOST_IN_BASKET} products at most")
    found = products_named(names)
    if unknown := next((name for name in names if name not in found), None):
        raise BadInput(needed, f"product {unknown[:50]} is not known")
    return tuple(dict.fromkeys(found[name] for name in names))


def _price(params: Mapping[str, str], name: str) -> Decimal | None:
    text = params.get(name)
    if not text:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 <= price <= 100_000:
        raise BadInput(name, "must be dollars, 0 to 100000")
    return price
