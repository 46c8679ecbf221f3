"""A kept recommendation against a bare Django response of the same bytes, DRF's serializer and django-ninja's schema.

All are asked through the whole WSGI handler with our middleware, in one process, in turn. The peers hold their ten products
ready and check no key, no scope and no rate; ours does. Then: how far its slowest answers are from the usual, and answers that
are made, with everything read anew, for customers of the demonstration among `--size` products.
"""

import gc
import statistics
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path
from ninja import ModelSchema, NinjaAPI, Schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from threadpoolctl import threadpool_limits

from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from config.api.keys import Audience
from customers.api.recommendation_serializers import RecommendationSerializer
from tests.bench.comparing import Comparison, in_turn

SIZE = 10_000
_REQUESTS, _COLD, _CUSTOMERS, _DAYS = 200, 60, 300, 180
_SEEN = [name for name, audience in PRODUCT_FIELDS.items() if audience <= Audience.VERIFIED]
_held: dict[str, Any] = {}
ninja = NinjaAPI(urls_namespace="bench")


class _Product(ModelSchema):
    reasons: list[dict[str, Any]]

    class Meta:
        model = Product
        fields = _SEEN


class _Answer(Schema):
    recommendation_id: str
    scenario: str
    title: str
    is_personal: bool
    model_version: str
    filters: list[str]
    fallback: dict[str, Any]
    made_at: str
    count: int
    results: list[_Product]


@ninja.get("recommendations/", response=_Answer)
def by_ninja(request: Any) -> dict[str, Any]:
    """Answer what is held, by its schema."""
    return _held["answer"]  # type: ignore[no-any-return]


class ByDrf(APIView):
    """Answers what is held, by its serializer."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    def get(self, request: Request) -> Response:
        """Serialize ten products and why they are there."""
        return Response(
            RecommendationSerializer(_held["answer"], context={"audience": Audience.VERIFIED}).data
        )


def bare(_request: Any) -> HttpResponse:
    """Answer the same bytes."""
    return HttpResponse(_held["body"], content_type="application/json")


urlpatterns = [
    path("", include("config.urls")),
    path("bench/bare/", bare),
    path("bench/drf/", ByDrf.as_view()),
    path("bench/ninja/", ninja.urls),
]


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios of a kept answer, and milliseconds of those that are made."""
    customers = _fill(size)
    # One BLAS thread, as the web process has (config/wsgi.py).
    with override_settings(ROOT_URLCONF="tests.bench.api"), threadpool_limits(1):
        from config.wsgi import (
            application,
        )  # the web process's own, with its rare garbage collector

        key = _key()
        ours = _asker(application, f"/api/v1/recommendations/{customers[0]}", key)
        _hold(ours(), customers[0])
        peers = {
            name: _asker(application, f"/bench/{name}/")
            for name in ("bare", "drf", "ninja/recommendations")
        }
        lines = {
            "bare": Comparison(
                name="kept answer: time of a bare HttpResponse of its bytes",
                limit=2.0,
                is_ceiling=True,
            ),
            "drf": Comparison(name="kept answer: faster than DRF and its serializer", limit=4.5),
            "ninja/recommendations": Comparison(
                name="kept answer: faster than django-ninja and its schema", limit=1.0
            ),
        }
        slowest = Comparison(name="kept answer: p99 against p50", limit=5, is_ceiling=True)
        cold = Comparison(
            name=f"made anew, {size:,} products, p50", unit="ms", limit=50, is_ceiling=True
        )
        worst = Comparison(name=f"made anew, {size:,} products, p99", unit="ms")
        gc.collect()
        gc.freeze()
        for number in range(rounds):
            for name, peer in peers.items():
                ours()  # known and kept again, where the last peer took longer than keys are held
                mine, theirs = in_turn(number, _times(ours, _REQUESTS), _times(peer, _REQUESTS))
                lines[name].ratios.append(mine / theirs if name == "bare" else theirs / mine)
            spent = _each(ours, 10 * _REQUESTS)
            slowest.ratios.append(float(np.percentile(spent, 99)) / statistics.median(spent))
            made = _made(application, key, customers[number::rounds][: _COLD // rounds])
            cold.ratios.append(1000 * statistics.median(made))
            worst.ratios.append(1000 * float(np.percentile(made, 99)))
            advance()
    return [*lines.values(), slowest, cold, worst]


def _fill(size: int) -> list[str]:
    """Put products, stores, stock and customers with a history there; return those who may be profiled."""
    from customers.models import CustomerProfile
    from customers.recommendations.statistics.jobs import count_neighbors, count_popularity
    from customers.services.demo import load
    from tests.bench.search import _fill as fill_products
    from vectors.index.write import index_due

    fill_products(size)
    load(count=_CUSTOMERS, days=_DAYS, seed=20261126, advance=lambda *_: None)
    count_neighbors()
    count_popularity()
    index_due()
    agreeing = CustomerProfile.objects.filter(
        purchases__isnull=False, consents__purpose="profiling"
    ).distinct()
    return [str(pk) for pk in agreeing.order_by("pk").values_list("pk", flat=True)]


def _key() -> str:
    from config.api.keys import ApiKey

    _, secret = ApiKey.objects.create_key(
        name="bench", audience="verified", scopes=["recommendations:read"], rate="100000000/min"
    )
    return f"Api-Key {secret}"


def _asker(application: WSGIHandler, address: str, key: str = "") -> Callable[[], bytes]:
    """Return a function that asks an address as a server would, and returns the body."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": address,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "localhost",
        **({"HTTP_AUTHORIZATION": key} if key else {}),
    }

    def ask() -> bytes:
        said: list[str] = []

        def start(status: str, _headers: Any, _error: Any = None) -> Any:
            said.append(status)

        response = application({**environ, "wsgi.input": BytesIO()}, start)
        body = b"".join(response)
        response.close()
        if not said[0].startswith("200"):
            raise RuntimeError(f"{address}: {said[0]} {body[:300]!r}")
        return body

    return ask


def _hold(body: bytes, customer: str) -> None:
    """Give the peers what they answer: the same bytes, or the same answer as objects."""
    from uuid import UUID

    from customers.api.recommendation_serializers import told_of
    from customers.recommendations.pipeline import recommend
    from customers.recommendations.request import Question

    answer = recommend(Question(scenario="home", customer=UUID(customer)), is_kept=False)
    products = [pick.product for pick in answer.picks]
    for pick in answer.picks:
        pick.product.reasons = pick.reasons  # type: ignore[attr-defined]
    _held["body"] = body
    _held["answer"] = told_of(answer, title="For you", audience=Audience.VERIFIED) | {
        "results": products
    }


def _times(work: Callable[[], object], count: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(count):
            work()

    return run


def _each(work: Callable[[], object], count: int) -> list[float]:
    spent = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return spent


def _made(application: WSGIHandler, key: str, customers: list[str]) -> list[float]:
    """Return the seconds of answers of which nothing is kept, neither here nor in Redis."""
    from customers.recommendations.cache import ANSWERS

    spent = []
    for customer in customers:
        ANSWERS.drop(customer)
        ask = _asker(application, f"/api/v1/recommendations/{customer}", key)
        spent += _each(ask, 1)
    return spent
