"""REST responses that a process keeps until a row changes that they were built from."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from config.api.etags import rendered_response
from config.api.keys import recently_authenticated
from config.api.local_entries import entry_key
from config.api.throttling import throttle_client
from config.cache import ResponseCache

_View = Callable[..., HttpResponse]


def serve_locally(view: _View, cache: ResponseCache) -> _View:
    """Return a view that looks for its response in the local cache before any other work."""

    def cached_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _local_response(request, cache) or view(request, *args, **kwargs)

    # The schema generator and Django's checks recognize the view by these attributes.
    cached_view.__dict__.update(view.__dict__)
    return cached_view


def _local_response(request: HttpRequest, cache: ResponseCache) -> HttpResponse | None:
    """
    Return the response in the local cache for a recently authenticated client.

    None: the request has to be processed in full; a throttled client gets its 429 there.
    """
    if request.method != "GET":
        return None
    client = recently_authenticated(request.META.get("HTTP_AUTHORIZATION", ""))
    if client is None:
        return None
    rendered = cache.get_local(entry_key(client, request))
    if rendered is None or throttle_client(client, request) is not None:
        return None
    return rendered_response(request, rendered)
