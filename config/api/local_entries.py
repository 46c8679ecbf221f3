"""Entries of the responses that a process keeps, by API key, its permissions and URL."""

from typing import Any

from django.db import transaction
from django.http import HttpResponse

from config.api.etags import rendered_response
from config.api.keys import ApiClient
from config.cache import RenderedResponse, ResponseCache


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
        cache.put_local(entry_key(client, request), rendered, generation)


def find_locally(
    request: Any, client: ApiClient | None, cache: ResponseCache
) -> HttpResponse | None:
    """
    Return the response in the local cache to a request that is authenticated and allowed, or None.

    `serve_locally` has not found it where the client had not sent a request for seconds.
    """
    rendered = cache.get_local(entry_key(client, request)) if client else None
    return None if rendered is None else rendered_response(request, rendered)


def entry_key(client: ApiClient, request: Any) -> str:
    """Return the key of a response; it includes the client's permissions and the requested host."""
    key = client.key
    rights = (key.audience, *sorted(key.provinces), *sorted(key.store_codes), *sorted(key.scopes))
    address = f"{request.scheme}://{request.get_host()}{request.get_full_path()}"
    return f"{key.prefix} {' '.join(rights)} {address}"
