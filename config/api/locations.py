"""Paths of resources, for the header Location."""

from typing import Any

from django.urls import reverse


def location_of(name: str, *arguments: Any) -> dict[str, str]:
    """Return the header Location of a created resource; its path ends with a slash."""
    return {"Location": f"{reverse(name, args=arguments).rstrip('/')}/"}
