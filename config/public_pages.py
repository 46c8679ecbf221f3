"""Pages that need no key: the catalogue of error codes, and files for robots and researchers."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from config.api.problem_types import problem_types

_ROBOTS = "User-agent: *\nDisallow: /\n"


def error_codes(request: HttpRequest) -> HttpResponse:
    """Return the catalogue of error codes, in the language of the reader."""
    return render(request, "api/errors.html", {"problem_types": problem_types()})


def robots(_request: HttpRequest) -> HttpResponse:
    """Return robots.txt: nothing here is for search engines."""
    return HttpResponse(_ROBOTS, content_type="text/plain")


def security(_request: HttpRequest) -> HttpResponse:
    """Return security.txt (RFC 9116). Raises Http404 where no contact is set."""
    if not settings.SECURITY_CONTACT:
        raise Http404
    return HttpResponse(f"Contact: {settings.SECURITY_CONTACT}\n", content_type="text/plain")
