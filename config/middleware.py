"""Request logging, and what all responses of the REST API have in common."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django_structlog.middlewares import RequestMiddleware

from config.telemetry.degradation import HEADER as DEGRADED
from config.telemetry.degradation import (
    announced_components,
    degradation_header,
    observe_degradation,
    record_degradation,
)
from config.telemetry.recording import is_recording, record_request
from config.telemetry.traces import is_tracing, set_request_result, span

API_PREFIX = "/api/"
_CONSOLE_PREFIX = "/console/"
_CORS_METHODS = "GET, HEAD, POST, PATCH, DELETE, OPTIONS"
_CORS_HEADERS = (
    "Authorization, Content-Type, Accept-Language, Idempotency-Key, If-Match, If-None-Match"
)
_EXPOSED_HEADERS = (
    "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID,"
    " Idempotency-Replayed, Deprecation, Sunset, Cultivar-Degraded"
)
_PREFLIGHT_SECONDS = 3600
_PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Alpine, on which the console's theme is built, evaluates expressions of its templates.
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
_Handler = Callable[[HttpRequest], HttpResponse]


class RequestLogMiddleware(RequestMiddleware):
    """Logs method and path; never the query string, which may hold personal data."""

    def __call__(self, request: HttpRequest) -> Any:
        """Log a request and its response, unless its path is one of UNLOGGED_PATHS."""
        if request.path.rstrip("/") in settings.UNLOGGED_PATHS:
            return self.get_response(request)
        return super().__call__(request)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Return method and path."""
        return f"{request.method} {request.path}"


class RequestMetricsMiddleware:
    """Records the duration of requests by route, but of none whose path is in UNLOGGED_PATHS."""

    def __init__(self, get_response: _Handler) -> None:
        if not is_recording():
            raise MiddlewareNotUsed
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Record a request once its response is complete; streams are not awaited."""
        started_at = perf_counter()
        response = self._get_response(request)
        if request.path.rstrip("/") not in settings.UNLOGGED_PATHS:
            record_request(
                method=str(request.method),
                route=_route_name(request),
                status=response.status_code,
                seconds=perf_counter() - started_at,
            )
        return response


class TraceMiddleware:
    """Records requests as spans, but none whose path is in UNLOGGED_PATHS."""

    def __init__(self, get_response: _Handler) -> None:
        if not is_tracing():
            raise MiddlewareNotUsed
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Record a request by its route."""
        if request.path.rstrip("/") in settings.UNLOGGED_PATHS:
            return self._get_response(request)
        with span("request", kind="SERVER", http_request_method=str(request.method)) as current:
            response = self._get_response(request)
            route = _route_name(request)
            name = f"{request.method} {route}"
            set_request_result(current, name=name, route=route, status=response.status_code)
        return response


class DegradationMiddleware:
    """
    Announces servers and models that a response does without, in the header Cultivar-Degraded.

    A response from the cache names those that were missing when it was computed, too.
    """

    def __init__(self, get_response: _Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Add the header where a component was unavailable."""
        with observe_degradation() as missing:
            response = self._get_response(request)
        missing |= announced_components(response.headers.get(DEGRADED, ""))
        if missing:
            response.headers[DEGRADED] = degradation_header(missing)
            record_degradation(missing)
        return response


def _route_name(request: HttpRequest) -> str:
    """Return the name of the route, or its pattern; never the path, of which there are too many."""
    match = request.resolver_match
    return (match.view_name or match.route) if match else "unmatched"


class ConsoleTimeZoneMiddleware:
    """Shows and reads the times of the console in the time zone of its staff."""

    def __init__(self, get_response: _Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request; one of the console in its time zone."""
        if not request.path.startswith(_CONSOLE_PREFIX):
            return self._get_response(request)
        with timezone.override(settings.CONSOLE_TIME_ZONE):
            return self._get_response(request)


class SecurityPolicyMiddleware:
    """
    Content-Security-Policy and Permissions-Policy of every response.

    REST responses load nothing. Pages load what they need from this host, and run no inline script;
    no plug-in, no frame and no form leads elsewhere.
    """

    def __init__(self, get_response: _Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Add the headers unless the view has set its own."""
        response = self._get_response(request)
        is_page = response.get("Content-Type", "").startswith("text/html")
        policy = _PAGE_POLICY if is_page else _DATA_POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Permissions-Policy", _PERMISSIONS_POLICY)
        return response


class ApiHeadersMiddleware:
    """
    Headers of REST responses: rate limit, caches, and CORS for allowed origins.

    API keys belong on servers; CORS_ALLOWED_ORIGINS is empty unless a retailer decides otherwise.
    """

    def __init__(self, get_response: _Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer preflight requests of allowed origins; add the headers to all others."""
        if not request.path.startswith(API_PREFIX):
            return self._get_response(request)
        origin = request.headers.get("Origin", "")
        is_allowed = bool(origin) and origin in settings.CORS_ALLOWED_ORIGINS
        if is_allowed and _is_preflight(request):
            response = HttpResponse(status=204)
            response["Access-Control-Allow-Methods"] = _CORS_METHODS
            response["Access-Control-Allow-Headers"] = _CORS_HEADERS
            response["Access-Control-Max-Age"] = str(_PREFLIGHT_SECONDS)
        else:
            response = self._get_response(request)
            _set_headers(request, response)
        if is_allowed:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        if settings.CORS_ALLOWED_ORIGINS:
            patch_vary_headers(response, ["Origin"])
        return response


def _is_preflight(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _set_headers(request: HttpRequest, response: HttpResponse) -> None:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        response["X-Request-ID"] = str(request_id)
    quota = getattr(request, "quota", None)
    if quota is not None:
        quota.set_headers(response)
    if response.status_code >= 400:
        response["Cache-Control"] = "no-store"
