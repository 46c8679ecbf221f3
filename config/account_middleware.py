"""Second factor and age of the sessions of the console."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import structlog
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from config import second_factor, sessions

log = structlog.get_logger(__name__)
# Pages that browsers stored. Their storage has the theme and the state of the sidebar alone.
_CLEARED_AT_LOGOUT = '"cache"'
_PAGES = {
    second_factor.NEEDS_CODE: "account-code",
    second_factor.NEEDS_SETUP: "account-setup",
}


class AccountMiddleware:
    """
    Sends staff who have not passed their second factor to its page, and ends sessions that are old.

    What is needed is decided once, at the login; a role given later counts from the next one on.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        user_logged_in.connect(_begin_session, dispatch_uid="config.account_middleware")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let requests of the console through when their session has what it needs."""
        console = reverse("admin:index")
        if not request.path.startswith(console) or not request.user.is_authenticated:
            return self._get_response(request)
        if sessions.is_too_old(request.session):
            log.info("session.too_old", user_id=request.user.pk)
            logout(request)
            messages.info(request, _("Please log in again: your session has reached its limit."))
            return redirect(f"{reverse('admin:login')}?{urlencode({'next': request.path})}")
        page = _PAGES.get(_state(request))
        exempt = (reverse("admin:logout"), reverse("admin:login"), reverse("admin:jsi18n"))
        if page is None or request.path in (*exempt, reverse(page)):
            response = self._get_response(request)
            if request.method == "POST" and request.path == reverse("admin:logout"):
                response["Clear-Site-Data"] = _CLEARED_AT_LOGOUT
            return response
        return redirect(f"{reverse(page)}?{urlencode({'next': request.get_full_path()})}")


def _begin_session(*, request: HttpRequest, user: Any, **_signal: Any) -> None:
    sessions.describe_login(request.session, browser=request.headers.get("User-Agent", ""))
    request.session[second_factor.STATE] = second_factor.state_at_login(user)


def _state(request: HttpRequest) -> str:
    """Return what the session still needs; one from before second factors existed is looked at."""
    session = request.session
    if second_factor.STATE not in session:
        session[second_factor.STATE] = second_factor.state_at_login(request.user)
    return str(session[second_factor.STATE])
