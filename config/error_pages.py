"""Error pages of the console, in its frame; problem details everywhere else."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.views.defaults import permission_denied as plain_permission_denied

from config.api import errors


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the console's page of a refusal, which names the page's permission if it is known."""
    if not _is_console(request):
        return plain_permission_denied(request, exception)
    return _console_page(request, "admin/403.html", status=403, permission=_permission(request))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the console's page of an unknown address; outside it, problem details."""
    if not _is_console(request):
        return errors.not_found(request, exception)
    return _console_page(request, "admin/404.html", status=404)


def _is_console(request: HttpRequest) -> bool:
    return request.path.startswith(reverse("admin:index"))


def _console_page(
    request: HttpRequest, template: str, *, status: int, **context: Any
) -> HttpResponse:
    return render(request, template, {**admin.site.each_context(request), **context}, status=status)


def _permission(request: HttpRequest) -> str:
    """Return the name of the permission to view the model of a page; empty if it is of none."""
    try:
        page = resolve(request.path).func
    except Resolver404:
        return ""
    model_admin = getattr(page, "model_admin", None)
    return f"Can view {model_admin.opts.verbose_name}" if model_admin else ""
