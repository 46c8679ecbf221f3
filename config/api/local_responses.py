"""REST responses that a process keeps until a row changes that they were built from."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from config.api.etags import rendered_response
from config.api.keys import ApiClient, recently_authenticated
from config.api.throttling import throttle_client
from config.cache import RenderedResponse, ResponseCache

_View = Callable[..., HttpResponse]


def serve_locally(view: _View, cache: ResponseCache) -> _View:
    """Return a view that looks for its response in the local cache before any other work."""

    def cached_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _local_response(request, cache) or view(request, *args, **kwargs)

    # The schema generator and Django's checks recognize the view by these attributes.
    cached_view.__dict__.update(view.__dict__)
    return cached_view


def store_locally(
    request: Any,
    client: ApiClient,
    cache: ResponseCache,
    rendered: RenderedResponse,
    generation: int,
) -> None:
    """
    Store the response to a request of a client for `serve_locally`.

    generation: of the cache, before any data was read. Within a transaction nothing is stored,
    since it may see what no other request does.
    """
    if rendered.lifetime > 0 and not transaction.get_connection().in_atomic_block:
        cache.put_local(_cache_key(client, request), rendered, generation)


def find_locally(
    request: Any, client: ApiClient | None, cache: ResponseCache
) -> HttpResponse | None:
    """
    Return the response in the local cache to a request that is authenticated and allowed, or None.

    `serve_locally` has not found it where the client had not sent a request for seconds.
    """
    rendered = cache.get_local(_cache_key(client, request)) if client else None
    return None if rendered is None else rendered_response(request, rendered)


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
    rendered = cache.get_local(_cache_key(client, request))
    if rendered is None or throttle_client(client, request) is not None:
        return None
    return rendered_response(request, rendered)


def _cache_key(client: ApiClient, request: Any) -> str:
    """Return the key of a response; it includes the client's permissions and the requested host."""
    key = client.key
    rights = (key.audience, *sorted(key.provinces), *sorted(key.store_codes), *sorted(key.scopes))
    address = f"{request.scheme}://{request.get_host()}{request.get_full_path()}"
    return f"{key.prefix} {' '.join(rights)} {address}"
