"""Console pages of customers: profile, history, access log, export, correction, erasure."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from catalog.reference.word_labels import province_choices, word_label
from catalog.selectors.stores import all_stores
from config.errors import BadInput, CultivarError
from customers.models import (
    ChatSession,
    Consent,
    ConsentText,
    CustomerProfile,
    Interaction,
    Purchase,
)
from customers.profile_export import export_customer_archive
from customers.selectors.access_log import latest_accesses
from customers.selectors.consents import active_purposes
from customers.selectors.profiles import find_customer
from customers.selectors.sales import sales_of_customer
from customers.services import consents, profiles
from customers.services.access import log_access
from mlops.admin.personal_data import data_label
from mlops.admin.read_only import ReadOnlyAdmin, ReadOnlyInline
from mlops.models import Erasure
from mlops.privacy import erasure
from mlops.privacy.legal_holds import active_legal_hold

_MAX_ACCESS_LOG_ROWS = 50
_RANGE_FIELDS = ("thc_range", "cbd_range", "price_range")
_PREFERENCE_LABELS = {
    "thc_range": _("THC range"),
    "cbd_range": _("CBD range"),
    "price_range": _("price range"),
    "strain_types": _("strain types"),
}
_WITHDRAWAL_EFFECTS = {
    ConsentText.Purpose.HISTORY: _(
        "Purchases and interactions are no longer linked to this customer. This cannot be undone."
    ),
    ConsentText.Purpose.CHAT: _(
        "The chat sessions of this customer are deleted. This cannot be undone."
    ),
    ConsentText.Purpose.PROFILING: _(
        "Derived preferences are deleted; this customer no longer gets personalized products."
    ),
    ConsentText.Purpose.MARKETING: _("No news is sent any more."),
    ConsentText.Purpose.FACE_VERIFICATION: _(
        "The face template for verification is deleted. This cannot be undone."
    ),
    ConsentText.Purpose.FACE_IDENTIFICATION: _(
        "The face template for identification is deleted. This cannot be undone."
    ),
}


class ConsentInline(ReadOnlyInline):
    """Active and withdrawn consents of a customer."""

    model = Consent
    fields = ("purpose", "text", "language", "given_at", "withdrawn_at", "channel")
    show_change_link = False


class PurchaseInline(ReadOnlyInline):
    """Receipt lines of a customer."""

    model = Purchase
    fields = ("purchased_at", "store", "product", "quantity", "unit_price", "order_id")
    show_change_link = False


class InteractionInline(ReadOnlyInline):
    """Views, basket changes, likes and dislikes of a customer."""

    model = Interaction
    fields = ("occurred_at", "kind", "product", "store", "quantity")
    show_change_link = False


class ChatSessionInline(ReadOnlyInline):
    """Chat sessions of a customer."""

    model = ChatSession
    fields = ("session_start", "session_end", "language", "total_messages")
    show_change_link = False


class ProfileCorrectionForm(forms.Form):
    """Correction of a profile; an empty preference removes the statement."""

    language = forms.ChoiceField(
        choices=[("en", "English"), ("fr", "français")], widget=UnfoldAdminSelectWidget
    )
    province = forms.ChoiceField(
        choices=[
            ("", _("unknown")),
            *province_choices(),
        ],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    store = forms.ModelChoiceField(
        queryset=all_stores(), required=False, widget=UnfoldAdminSelectWidget
    )
    thc_range = forms.CharField(
        label=_("THC range"),
        required=False,
        help_text=_("percent, for example 18-24"),
        widget=UnfoldAdminTextInputWidget,
    )
    cbd_range = forms.CharField(
        label=_("CBD range"),
        required=False,
        help_text=_("percent"),
        widget=UnfoldAdminTextInputWidget,
    )
    price_range = forms.CharField(
        required=False, help_text=_("dollars per product"), widget=UnfoldAdminTextInputWidget
    )
    strain_types = forms.CharField(
        required=False,
        help_text=_("comma separated, for example indica, hybrid"),
        widget=UnfoldAdminTextInputWidget,
    )

    def changes(self) -> dict[str, Any]:
        """Return the changes for `profiles.correct_profile`."""
        data = self.cleaned_data
        changes: dict[str, Any] = {"language": data["language"], "store": data["store"]}
        if data["province"]:
            changes["province"] = data["province"]
        for name in _RANGE_FIELDS:
            bounds = [bound.strip() for bound in data[name].split("-")]
            changes[name] = bounds if data[name].strip() else None
        strain_types = [part.strip() for part in data["strain_types"].split(",")]
        changes["strain_types"] = [part for part in strain_types if part] or None
        return changes

    @staticmethod
    def initial_values(customer: CustomerProfile) -> dict[str, Any]:
        """Return the initial values of the form."""
        stated = customer.stated_preferences
        ranges = {
            name: "-".join(f"{bound:g}" for bound in stated.get(name, [])) for name in _RANGE_FIELDS
        }
        return {
            "language": customer.language,
            "province": customer.province,
            "store": customer.store,
            "strain_types": ", ".join(stated.get("strain_types", [])),
            **ranges,
        }


class ErasureForm(forms.Form):
    """Confirmation of an erasure: the customer number has to be typed."""

    number = forms.CharField(label=_("Customer number, typed"), widget=UnfoldAdminTextInputWidget)
    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, customer: CustomerProfile, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._customer = customer

    def clean_number(self) -> str:
        """Return the number if it is the customer's."""
        number = str(self.cleaned_data["number"])
        if number != self._customer.external_customer_id:
            raise forms.ValidationError(_("This is not the number of this customer."))
        return number


@admin.register(CustomerProfile)
class CustomerProfileAdmin(ReadOnlyAdmin):
    """Customer profiles; every view of one is recorded in the access log."""

    list_display = (
        "external_customer_id",
        "province",
        "language",
        "store",
        "is_age_verified",
        "purchase_frequency",
        "avg_spending",
        "is_synthetic",
        "created_at",
    )
    list_filter = ("province", "language", "is_age_verified", "is_synthetic", "store")
    list_select_related = ("store",)
    search_fields = ("external_customer_id__exact", "id__exact")
    search_help_text = _("a whole customer number")
    change_form_before_template = "admin/customers/customerprofile/actions.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("external_customer_id", "is_synthetic"),
                    ("province", "language"),
                    "store",
                )
            },
        ),
        (
            _("Age"),
            {
                "fields": (
                    ("is_age_verified", "verification_method"),
                    ("verified_age", "age_verified_at"),
                )
            },
        ),
        (
            _("Effective preferences: stated, else derived"),
            {
                "fields": (
                    ("thc", "cbd"),
                    ("price", "preferred_strain_types"),
                    ("purchase_frequency", "avg_spending"),
                    "stated",
                    "derived",
                )
            },
        ),
        (_("Access log"), {"fields": ("access_log",)}),
    )
    inlines = (ConsentInline, PurchaseInline, InteractionInline, ChatSessionInline)

    @admin.display(description=_("stated by the customer"))
    def stated(self, customer: CustomerProfile) -> SafeString | str:
        """Return the stated preferences, one a line."""
        return _preference_lines(customer.stated_preferences)

    @admin.display(description=_("derived from purchases"))
    def derived(self, customer: CustomerProfile) -> SafeString | str:
        """Return the derived preferences, one a line."""
        return _preference_lines(customer.derived_preferences)

    @admin.display(description=_("effective THC range"))
    def thc(self, customer: CustomerProfile) -> str:
        """Return the preferred THC in percent."""
        return _range_text(customer.preferred_thc_range, unit="%")

    @admin.display(description=_("effective CBD range"))
    def cbd(self, customer: CustomerProfile) -> str:
        """Return the preferred CBD in percent."""
        return _range_text(customer.preferred_cbd_range, unit="%")

    @admin.display(description=_("effective price range"))
    def price(self, customer: CustomerProfile) -> str:
        """Return the preferred price in dollars per product."""
        return _range_text(customer.preferred_price_range, unit="$")

    @admin.display(description=_("latest accesses and changes"))
    def access_log(self, customer: CustomerProfile) -> SafeString:
        """Return the newest entries of the access log as a table."""
        entries = latest_accesses(customer, limit=_MAX_ACCESS_LOG_ROWS)
        return SafeString(
            render_to_string(
                "admin/customers/customerprofile/access_log.html", {"entries": entries}
            )
        )

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Return the page with the permitted actions; log the access."""
        customer = self.get_object(request, object_id)
        if customer is not None and self.has_view_permission(request, customer):
            log_access(customer=customer, actor=_actor(request), action="profile.read")
        extra = {
            "active_purposes": sorted(active_purposes(customer)) if customer else [],
            "can_change": request.user.has_perm("customers.change_customerprofile"),
            "can_erase": request.user.has_perm("customers.delete_customerprofile"),
            "hold": active_legal_hold(customer.pk) if customer else None,
            "sales": sales_of_customer(customer.pk) if customer else None,
        }
        return super().change_view(request, object_id, *args, extra_context=extra, **kwargs)  # type: ignore[no-any-return]

    def page_title(self, customer: CustomerProfile) -> str:
        """Return the customer number, for the heading of the page."""
        return customer.external_customer_id

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerProfile]:
        """Return the profiles with their stores."""
        return super().get_queryset(request).select_related("store")  # type: ignore[no-any-return]

    def get_urls(self) -> list[Any]:
        """Return the URLs with those of the actions."""
        wrap = self.admin_site.admin_view
        name = "customers_customerprofile"
        return [
            path("<uuid:pk>/correct/", wrap(self.correct), name=f"{name}_correct"),
            path(
                "<uuid:pk>/withdraw/<slug:purpose>/", wrap(self.withdraw), name=f"{name}_withdraw"
            ),
            path("<uuid:pk>/export/", wrap(self.export), name=f"{name}_export"),
            path("<uuid:pk>/erase/", wrap(self.erase), name=f"{name}_erase"),
            *super().get_urls(),
        ]

    def correct(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Correct the profile at the customer's request."""
        customer = _get_permitted_customer(request, pk, "change")
        form = ProfileCorrectionForm(
            request.POST or None, initial=ProfileCorrectionForm.initial_values(customer)
        )
        if form.is_valid():
            try:
                profiles.correct_profile(
                    customer=customer, changes=form.changes(), by=_actor(request)
                )
            except BadInput as error:
                form.add_error(error.field if error.field in form.fields else None, error.reason)
            else:
                messages.success(
                    request, _("Corrected. Stated preferences take precedence over derived ones.")
                )
                return _redirect_to_profile(customer)
        return self._confirmation_page(request, customer, _("Edit"), "", form=form)

    def withdraw(self, request: HttpRequest, pk: UUID, purpose: str) -> HttpResponse:
        """Withdraw a consent at the customer's request, after a confirmation."""
        customer = _get_permitted_customer(request, pk, "change")
        if purpose not in active_purposes(customer):
            messages.error(request, _("This consent is not active."))
            return _redirect_to_profile(customer)
        if request.method == "POST":
            consents.withdraw_consent(customer=customer, purpose=purpose, by=_actor(request))
            messages.success(request, _("Withdrawn, together with the data that depends on it."))
            return _redirect_to_profile(customer)
        effect = _WITHDRAWAL_EFFECTS[ConsentText.Purpose(purpose)]
        return self._confirmation_page(
            request,
            customer,
            _("Withdraw the consent “%(purpose)s”") % {"purpose": purpose},
            effect,
        )

    def export(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """Send the personal data of the customer as a ZIP archive."""
        customer = _get_permitted_customer(request, pk, "view")
        return StreamingHttpResponse(
            export_customer_archive(customer=customer.pk, by=_actor(request)),
            content_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="customer-{customer.pk}.zip"'},
        )

    def erase(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show what would be deleted; erase the customer once the number is typed."""
        customer = _get_permitted_customer(request, pk, "delete")
        form = ErasureForm(request.POST or None, customer=customer)
        run_erasure = partial(erasure.erase, subject=customer.pk, requested_by=_actor(request))
        try:
            if form.is_valid():
                receipt = run_erasure(reason=form.cleaned_data["reason"])
                _report_erasure(request, receipt)
                return redirect(reverse("admin:customers_customerprofile_changelist"))
            counts = run_erasure(reason="", dry_run=True).deleted
        except CultivarError as error:
            messages.error(request, str(error))
            return _redirect_to_profile(customer)
        warning = _("Everything below is deleted, and checked once more. This cannot be undone.")
        return self._confirmation_page(
            request,
            customer,
            _("Erase"),
            warning,
            form=form,
            counts=counts,
            found=[(data_label(name), count) for name, count in counts.items() if count],
            not_found=[data_label(name) for name, count in counts.items() if not count],
        )

    def _confirmation_page(
        self, request: HttpRequest, customer: CustomerProfile, title: Any, text: Any, **extra: Any
    ) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "title": title,
            "customer": customer,
            "text": text,
            **extra,
        }
        return TemplateResponse(request, "admin/customers/customerprofile/confirm.html", context)


def _report_erasure(request: HttpRequest, receipt: Erasure) -> None:
    if receipt.status == Erasure.Status.DONE:
        messages.success(request, _("Erased; the receipt is %(pk)s.") % {"pk": receipt.pk})
    else:
        messages.warning(
            request,
            _("The erasure is not complete; it is retried every hour. The receipt is %(pk)s.")
            % {"pk": receipt.pk},
        )


def _preference_lines(preferences: dict[str, Any]) -> SafeString | str:
    """Return preferences in words, one a line; a dash without any."""
    lines = [
        (_PREFERENCE_LABELS.get(name, name), _preference_text(name, value))
        for name, value in sorted(preferences.items())
    ]
    return format_html_join(mark_safe("<br>"), "{}: {}", lines) or "–"


def _preference_text(name: str, value: Any) -> str:
    if name in _RANGE_FIELDS and isinstance(value, list):
        low, high = value
        return _ends_text(low, high, unit="$" if name == "price_range" else "%")
    values = value if isinstance(value, list) else [value]
    return ", ".join(word_label(one) if isinstance(one, str) else str(one) for one in values)


def _range_text(value: Any, *, unit: str) -> str:
    """Return a range such as "18.3–23 %"; a dash if it is unknown."""
    return "–" if value is None else _ends_text(value.lower, value.upper, unit=unit)


def _ends_text(low: Any, high: Any, *, unit: str) -> str:
    ends = "–".join(dict.fromkeys("…" if end is None else f"{float(end):g}" for end in (low, high)))
    return f"{ends}\u00a0{unit}"


def _actor(request: HttpRequest) -> str:
    return f"user:{request.user.get_username()}"


def _get_permitted_customer(request: HttpRequest, pk: UUID, permission: str) -> CustomerProfile:
    if not request.user.has_perm(f"customers.{permission}_customerprofile"):
        raise PermissionDenied
    customer = find_customer(pk)
    if customer is None:
        raise Http404
    return customer


def _redirect_to_profile(customer: CustomerProfile) -> HttpResponse:
    return redirect(reverse("admin:customers_customerprofile_change", args=[customer.pk]))
