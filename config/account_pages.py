"""Pages of a staff user's own account: second factor, recovery codes, sessions."""

from typing import Any

import segno
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from config import second_factor, sessions


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=30,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, user: Any, is_setup: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self._user = user
        self._is_setup = is_setup
        self.recovery_codes: list[str] = []

    def clean_code(self) -> str:
        """Return the code. Raises ValidationError when it is refused."""
        code = str(self.cleaned_data["code"])
        try:
            if self._is_setup:
                self.recovery_codes = second_factor.confirm_setup(self._user, code) or []
                is_accepted = bool(self.recovery_codes)
            else:
                is_accepted = second_factor.accepts(self._user, code)
        except second_factor.TooManyCodes as error:
            raise forms.ValidationError(
                _("Too many wrong codes; try again in %(seconds)s seconds.")
                % {"seconds": error.seconds},
                code="wait",
            ) from error
        if not is_accepted:
            raise forms.ValidationError(
                _("This code is wrong, or was used already. Does the phone show the right time?"),
                code="refused",
            )
        return code


class PasswordForm(forms.Form):
    """The password of the user who is logged in; wrong ones count as failed logins."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "current-password", "autofocus": True}
        ),
    )

    def __init__(self, *args: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self._request = request

    def clean_password(self) -> str:
        """Return the password. Raises ValidationError for a wrong one, and while blocked."""
        # Needs Redis, as the login does; the other pages do not.
        from config.login_guard import is_blocked

        password = str(self.cleaned_data["password"])
        user: Any = self._request.user
        name = user.get_username()
        if is_blocked(self._request, name):
            raise forms.ValidationError(
                _("Too many failed logins; try again in a quarter of an hour."), code="blocked"
            )
        if authenticate(self._request, username=name, password=password) != user:
            raise forms.ValidationError(_("This password is wrong."), code="refused")
        return password


@never_cache
def enter_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code after the password."""
    if request.session.get(second_factor.STATE) != second_factor.NEEDS_CODE:
        return redirect(_next(request))
    form = CodeForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        _pass(request)
        return redirect(_next(request))
    return _page(request, "code", title=_("Second factor"), form=form, next=_next(request))


@never_cache
def set_up(request: HttpRequest) -> HttpResponse:
    """Show the QR code of a new authenticator app, and ask for its first code."""
    if second_factor.has_second_factor(request.user):
        return redirect("account")
    secret = second_factor.begin_setup(request.user)
    form = CodeForm(request.POST or None, user=request.user, is_setup=True)
    if request.method == "POST" and form.is_valid():
        _pass(request)
        return _show_codes(request, form.recovery_codes)
    address = second_factor.setup_address(request.user, secret)
    return _page(
        request,
        "setup",
        title=_("Set up a second factor"),
        form=form,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        qr_code=mark_safe(segno.make(address).svg_inline(scale=5, light="white")),  # noqa: S308  # made here
        is_required=request.session.get(second_factor.STATE) == second_factor.NEEDS_SETUP,
        next=_next(request),
    )


@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Show second factor and open sessions."""
    user: Any = request.user
    return _page(
        request,
        "account",
        title=_("Security of your account"),
        has_second_factor=second_factor.has_second_factor(user),
        codes_left=second_factor.recovery_codes_left(user),
        is_required=second_factor.is_required(user),
        sessions=sessions.open_sessions(user.pk, current_key=request.session.session_key),
    )


@require_POST
def renew_codes(request: HttpRequest) -> HttpResponse:
    """Show new recovery codes, after a code of the app."""
    form = CodeForm(request.POST, user=request.user)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for error in form.errors["code"]))
        return redirect("account")
    return _show_codes(request, second_factor.renew_recovery_codes(request.user))


@require_POST
def remove(request: HttpRequest) -> HttpResponse:
    """Remove the second factor, after one of its codes, unless a role of the user needs it."""
    form = CodeForm(request.POST, user=request.user)
    if second_factor.is_required(request.user):
        messages.error(request, _("Your role needs a second factor; it cannot be removed."))
    elif not form.is_valid():
        messages.error(request, " ".join(str(error) for error in form.errors["code"]))
    else:
        second_factor.remove(request.user, by=request.user)
        request.session[second_factor.STATE] = second_factor.NOT_NEEDED
        messages.success(request, _("The second factor is removed."))
    return redirect("account")


@never_cache
def end_sessions(request: HttpRequest) -> HttpResponse:
    """End one other session of the user, or all others, after the password."""
    user: Any = request.user
    form = PasswordForm(request.POST or None, request=request)
    handle = request.POST.get("session") or request.GET.get("session") or ""
    if request.method == "POST" and form.is_valid():
        count = sessions.end_sessions(user.pk, handle=handle, but=request.session.session_key)
        text = ngettext("%(count)s session was ended.", "%(count)s sessions were ended.", count)
        messages.success(request, text % {"count": count})
        return redirect("account")
    title = _("End this session") if handle else _("End all other sessions")
    return _page(request, "end_sessions", title=title, form=form, session=handle)


def _pass(request: HttpRequest) -> None:
    """Note that the second factor was passed, in a session with a new key."""
    request.session.cycle_key()
    request.session[second_factor.STATE] = second_factor.PASSED


def _next(request: HttpRequest) -> str:
    """Return the page of the console that was asked for; the home page if there is none."""
    address = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())
    return address if is_ours else reverse("admin:index")


def _show_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    return _page(
        request,
        "recovery_codes",
        title=_("Your recovery codes"),
        recovery_codes=codes,
        next=_next(request),
    )


def _page(request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), **context}
    return render(request, f"admin/account/{name}.html", context)


urlpatterns = [
    path("", admin.site.admin_view(account), name="account"),
    path("code/", admin.site.admin_view(enter_code), name="account-code"),
    path("setup/", admin.site.admin_view(set_up), name="account-setup"),
    path("recovery-codes/", admin.site.admin_view(renew_codes), name="account-recovery-codes"),
    path("remove/", admin.site.admin_view(remove), name="account-remove"),
    path("sessions/", admin.site.admin_view(end_sessions), name="account-sessions"),
]
