"""Cached recommendations compared with a bare Django response, DRF's serializer and django-ninja.

All run through the whole WSGI handler with our middleware, in one process, in turn. The peers have
their ten products in memory and check no key, scope or rate limit; ours does. Then: p99 compared
with p50, and uncached recommendations for demo customers among `--size` products.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
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
from config.chunked_bodies import Application
from customers.api.recommendation_serializers import RecommendationSerializer
from tests.bench.comparison import Comparison, measure_alternately

SIZE = 10_000
_REQUESTS = 200
_UNCACHED_REQUESTS = 60
_CUSTOMERS = 300
_DAYS = 180
_VERIFIED_FIELDS = [
    name for name, audience in PRODUCT_FIELDS.items() if audience <= Audience.VERIFIED
]
# Response of the peers: `body` as bytes, `payload` as objects.
_fixed_response: dict[str, Any] = {}
ninja = NinjaAPI(urls_namespace="bench")


class ProductSchema(ModelSchema):
    """A recommended product."""

    reasons: list[dict[str, Any]]

    class Meta:
        model = Product
        fields = _VERIFIED_FIELDS


class RecommendationsSchema(Schema):
    """A recommendation response."""

    recommendation_id: str
    scenario: str
    title: str
    is_personalized: bool
    model_version: str
    fallback: dict[str, Any]
    created_at: str
    results: list[ProductSchema]


@ninja.get("recommendations/", response=RecommendationsSchema)
def by_ninja(request: Any) -> dict[str, Any]:
    """Return the payload through the django-ninja schema."""
    return _fixed_response["payload"]  # type: ignore[no-any-return]


class ByDrf(APIView):
    """Returns the payload through the DRF serializer."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    def get(self, _request: Request) -> Response:
        """Serialize ten products with their reasons."""
        context = {"audience": Audience.VERIFIED}
        return Response(RecommendationSerializer(_fixed_response["payload"], context=context).data)


def bare(_request: Any) -> HttpResponse:
    """Return the same bytes."""
    return HttpResponse(_fixed_response["body"], content_type="application/json")


urlpatterns = [
    path("", include("config.urls")),
    path("bench/bare/", bare),
    path("bench/drf/", ByDrf.as_view()),
    path("bench/ninja/", ninja.urls),
]


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios of a cached response, and milliseconds of uncached ones."""
    customers = _create_data(size)
    # One BLAS thread, as the web process has (config/wsgi.py).
    with override_settings(ROOT_URLCONF="tests.bench.api"), threadpool_limits(1):
        # The application of the web process, which tunes the garbage collector.
        from config.wsgi import application

        key = _create_key()
        ours = _requester(application, f"/api/v1/recommendations/{customers[0]}", key)
        _fix_response(ours(), customers[0])
        peers = {
            name: _requester(application, f"/bench/{name}/")
            for name in ("bare", "drf", "ninja/recommendations")
        }
        lines = {
            "bare": Comparison(
                name="cached response: time of a bare HttpResponse of its bytes",
                limit=2.0,
                is_ceiling=True,
            ),
            "drf": Comparison(
                name="cached response: faster than DRF and its serializer", limit=4.5
            ),
            "ninja/recommendations": Comparison(
                name="cached response: faster than django-ninja and its schema", limit=1.0
            ),
        }
        slowest = Comparison(name="cached response: p99 against p50", limit=5, is_ceiling=True)
        uncached = Comparison(
            name=f"uncached, {size:,} products, p50", unit="ms", limit=50, is_ceiling=True
        )
        uncached_p99 = Comparison(name=f"uncached, {size:,} products, p99", unit="ms")
        gc.collect()
        gc.freeze()
        for number in range(rounds):
            for name, peer in peers.items():
                ours()  # caches the key and the response again if the last peer outlasted them
                our_seconds, peer_seconds = measure_alternately(
                    number, _repeat(ours, _REQUESTS), _repeat(peer, _REQUESTS)
                )
                lines[name].ratios.append(
                    our_seconds / peer_seconds if name == "bare" else peer_seconds / our_seconds
                )
            times = _measure_each(ours, 10 * _REQUESTS)
            slowest.ratios.append(float(np.percentile(times, 99)) / statistics.median(times))
            sample = customers[number::rounds][: _UNCACHED_REQUESTS // rounds]
            uncached_times = _measure_uncached(application, key, sample)
            uncached.ratios.append(1000 * statistics.median(uncached_times))
            uncached_p99.ratios.append(1000 * float(np.percentile(uncached_times, 99)))
            advance()
    return [*lines.values(), slowest, uncached, uncached_p99]


def _create_data(size: int, *, customers: int = _CUSTOMERS, days: int = _DAYS) -> list[str]:
    """Create products, stock and demo customers; return the customers with profiling consent."""
    from customers.models import CustomerProfile
    from customers.recommendations.statistics.jobs import (
        update_product_neighbors,
        update_product_popularity,
    )
    from customers.services.demo import load_demo_data
    from tests.bench.search import fill_catalogue
    from vectors.index.write import index_due_rows

    fill_catalogue(size)
    load_demo_data(count=customers, days=days, seed=20261126, on_progress=lambda *_: None)
    update_product_neighbors()
    update_product_popularity()
    index_due_rows()
    consenting = CustomerProfile.objects.filter(
        purchases__isnull=False, consents__purpose="profiling"
    ).distinct()
    return [str(pk) for pk in consenting.order_by("pk").values_list("pk", flat=True)]


def _create_key(
    scopes: Sequence[str] = ("recommendations:read",), *, audience: str = "verified"
) -> str:
    from config.api.keys import ApiKey

    _, secret = ApiKey.objects.create_key(
        name="bench", audience=audience, scopes=list(scopes), rate="100000000/min"
    )
    return f"Api-Key {secret}"


def _requester(application: Application, path_info: str, key: str = "") -> Callable[[], bytes]:
    """Return a function that requests a path through the WSGI handler and returns the body."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path_info,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "localhost",
        **({"HTTP_AUTHORIZATION": key} if key else {}),
    }

    def request() -> bytes:
        statuses: list[str] = []

        def start_response(status: str, _headers: Any, _error: Any = None) -> Any:
            statuses.append(status)

        response = application({**environ, "wsgi.input": BytesIO()}, start_response)
        body = b"".join(response)
        response.close()  # type: ignore[attr-defined]  # a response of Django
        if not statuses[0].startswith("200"):
            raise RuntimeError(f"{path_info}: {statuses[0]} {body[:300]!r}")
        return body

    return request


def _fix_response(body: bytes, customer: str) -> None:
    """Set the response of the peers: the same bytes, and the same payload as objects."""
    from uuid import UUID

    from customers.api.recommendation_serializers import serialize_recommendations
    from customers.recommendations.pipeline import recommend
    from customers.recommendations.request import RecommendationRequest

    result = recommend(
        RecommendationRequest(scenario="home", customer=UUID(customer)), record=False
    )
    products = [item.product for item in result.recommendations]
    for item in result.recommendations:
        item.product.reasons = item.reasons  # type: ignore[attr-defined]
    payload = serialize_recommendations(result, title="For you", audience=Audience.VERIFIED)
    _fixed_response["body"] = body
    _fixed_response["payload"] = payload | {"results": products}


def _repeat(work: Callable[[], object], count: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(count):
            work()

    return run


def _measure_each(work: Callable[[], object], count: int) -> list[float]:
    """Return the seconds of each call."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return times


def _measure_uncached(application: Application, key: str, customers: list[str]) -> list[float]:
    """Return the seconds of responses that are in neither the local nor the shared cache."""
    from customers.recommendations.cache import RECOMMENDATION_CACHE

    times = []
    for customer in customers:
        RECOMMENDATION_CACHE.remove(customer)
        request = _requester(application, f"/api/v1/recommendations/{customer}", key)
        times += _measure_each(request, 1)
    return times
