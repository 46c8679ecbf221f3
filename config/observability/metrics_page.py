"""`/metrics` for Prometheus."""

import hmac

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from config.telemetry.recording import record_security_event

REFUSAL = "The header Authorization must be `Bearer` and the value of METRICS_TOKEN.\n"


def metrics_page(request: HttpRequest) -> HttpResponse:
    """
    Answer with the metrics of the web processes and all gauges.

    404 while METRICS_TOKEN is empty, 401 without it.
    """
    refusal = refuse_without_token(request)
    if refusal is not None:
        return refusal
    from config.observability.exporter import CONTENT_TYPE, metrics_with_gauges

    return HttpResponse(metrics_with_gauges(), content_type=CONTENT_TYPE)


def refuse_without_token(request: HttpRequest) -> HttpResponse | None:
    """Return 401 for a request without METRICS_TOKEN, else None. Raises Http404: it is empty."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if is_authorized(request.headers.get("Authorization", "")):
        return None
    record_security_event("metrics_refused")
    headers = {"WWW-Authenticate": "Bearer"}
    return HttpResponse(REFUSAL, status=401, content_type="text/plain", headers=headers)


def is_authorized(header: str) -> bool:
    """Return whether a header Authorization carries METRICS_TOKEN."""
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    return hmac.compare_digest(header.encode(errors="replace"), expected)
