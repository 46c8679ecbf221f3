"""Command palette: rows that a search term finds; applications register what they search."""

from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpRequest
from unfold.dataclasses import SearchResult

MAX_RESULTS = 8
_MIN_LENGTH = 2
# Registered functions by the permission that their results need.
_searches: list[tuple[str, Callable[[str], Iterable[SearchResult]]]] = []


def register(
    permission: str,
) -> Callable[[Callable[[str], Iterable[SearchResult]]], Callable[[str], Iterable[SearchResult]]]:
    """
    Register a function that finds rows for users with a permission; a decorator.

    Results are cached by user and term for five minutes, so they must not contain personal data.
    """

    def decorate(
        find: Callable[[str], Iterable[SearchResult]],
    ) -> Callable[[str], Iterable[SearchResult]]:
        _searches.append((permission, find))
        return find

    return decorate


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Return what the registered functions find, in the order of registration."""
    # The theme passes the term in lower case, in which no SKU is found.
    term = request.GET.get("s", term).strip()
    if len(term) < _MIN_LENGTH:
        return []
    user: Any = request.user
    return [
        result
        for permission, find in _searches
        if user.has_perm(permission)
        for result in find(term)
    ]
