"""A customer's page: what is known, what they agreed to, what they did, who looked; export, correction, erasure."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from catalog.models import Store
from catalog.reference.provinces import PROVINCES
from config.errors import BadInput, CultivarError
from customers.models import (
    ChatSession,
    Consent,
    ConsentText,
    CustomerProfile,
    Interaction,
    PersonalAccess,
    Purchase,
)
from customers.profile_export import zip_person
from customers.services import consents, profiles
from customers.services.access import note
from mlops.admin.reading import ReadOnlyAdmin, ReadOnlyInline, pretty_json
from mlops.models import Erasure
from mlops.privacy import erasure

_LOOKS_SHOWN = 50


class ConsentInline(ReadOnlyInline):
    """What the person agreed to, and took back."""

    model = Consent
    fields = ("purpose", "text", "language", "given_at", "withdrawn_at", "channel")
    show_change_link = False


class PurchaseInline(ReadOnlyInline):
    """What the person bought."""

    model = Purchase
    fields = ("purchased_at", "store", "product", "quantity", "unit_price", "order_id")
    show_change_link = False


class InteractionInline(ReadOnlyInline):
    """What the person looked at, put into a basket, praised and blamed."""

    model = Interaction
    fields = ("occurred_at", "kind", "product", "store", "quantity")
    show_change_link = False


class ChatInline(ReadOnlyInline):
    """The person's conversations."""

    model = ChatSession
    fields = ("session_start", "session_end", "language", "total_messages")
    show_change_link = False


class CorrectionForm(forms.Form):
    """What a person may have corrected; an empty statement is taken back."""

    language = forms.ChoiceField(
        choices=[("en", "English"), ("fr", "français")], widget=UnfoldAdminSelectWidget
    )
    province = forms.ChoiceField(
        choices=[("", "not told"), *((code, one.name_en) for code, one in PROVINCES.items())],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    store = forms.ModelChoiceField(
        queryset=Store.objects.all(), required=False, widget=UnfoldAdminSelectWidget
    )
    thc_range = forms.CharField(
        required=False, help_text="percent, for example 18-24", widget=UnfoldAdminTextInputWidget
    )
    cbd_range = forms.CharField(
        required=False, help_text="percent", widget=UnfoldAdminTextInputWidget
    )
    price_range = forms.CharField(
        required=False, help_text="dollars a product", widget=UnfoldAdminTextInputWidget
    )
    strain_types = forms.CharField(
        required=False,
        help_text="comma separated, for example indica, hybrid",
        widget=UnfoldAdminTextInputWidget,
    )

    def changes(self) -> dict[str, Any]:
        """Return the form as `profiles.correct` takes it."""
        told = self.cleaned_data
        changes: dict[str, Any] = {name: told[name] for name in ("language", "store")}
        if told["province"]:
            changes["province"] = told["province"]
        for name in ("thc_range", "cbd_range", "price_range"):
            changes[name] = (
                [part.strip() for part in told[name].split("-")] if told[name].strip() else None
            )
        changes["strain_types"] = [
            part.strip() for part in told["strain_types"].split(",") if part.strip()
        ] or None
        return changes

    @staticmethod
    def initial_of(customer: CustomerProfile) -> dict[str, Any]:
        """Return what the form shows at first."""
        stated = customer.stated
        ranges = ("thc_range", "cbd_range", "price_range")
        return {
            "language": customer.language,
            "province": customer.province,
            "store": customer.store,
            "strain_types": ", ".join(stated.get("strain_types", [])),
            **{name: "-".join(f"{end:g}" for end in stated.get(name, [])) for name in ranges},
        }


class ErasureForm(forms.Form):
    """The question that goes before what cannot be undone."""

    number = forms.CharField(label="Customer number, typed", widget=UnfoldAdminTextInputWidget)
    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *arguments: Any, customer: CustomerProfile, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._customer = customer

    def clean_number(self) -> str:
        """Refuse another number than the customer's."""
        if self.cleaned_data["number"] != self._customer.external_customer_id:
            raise forms.ValidationError("This is not the number of this customer.")
        return str(self.cleaned_data["number"])


@admin.register(CustomerProfile)
class CustomerProfileAdmin(ReadOnlyAdmin):
    """People, as far as they agreed to be known. Every look at one is noted."""

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
    search_help_text = "a whole customer number"
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
        ("Age", {"fields": (("is_age_verified", "age_proof", "proven_age", "age_verified_at"),)}),
        (
            "Preferences that hold: stated, else derived",
            {
                "fields": (
                    ("preferred_thc_range", "preferred_cbd_range"),
                    ("preferred_price_range", "preferred_strain_types"),
                    ("purchase_frequency", "avg_spending"),
                    "told",
                    "worked_out",
                )
            },
        ),
        ("Who looked", {"fields": ("looks",)}),
    )
    inlines = (ConsentInline, PurchaseInline, InteractionInline, ChatInline)

    @admin.display(description="stated by the person")
    def told(self, customer: CustomerProfile) -> SafeString:
        """Show what the person stated."""
        return pretty_json(customer.stated)

    @admin.display(description="derived from purchases")
    def worked_out(self, customer: CustomerProfile) -> SafeString:
        """Show what purchases tell."""
        return pretty_json(customer.derived)

    @admin.display(description="last looks and changes")
    def looks(self, customer: CustomerProfile) -> SafeString:
        """Show who read or changed what, the newest first."""
        rows = PersonalAccess.objects.filter(customer_id=customer.pk)[:_LOOKS_SHOWN]
        return SafeString(
            render_to_string("admin/customers/customerprofile/looks.html", {"rows": rows})
        )

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **named: Any
    ) -> HttpResponse:
        """Show the page, with what may be done; note that somebody looked."""
        customer = self.get_object(request, object_id)
        if customer is not None and self.has_view_permission(request, customer):
            note(customer=customer, actor=_actor(request), action="profile.read")
        extra = {
            "open_purposes": sorted(consents.open_purposes(customer)) if customer else [],
            "may_change": request.user.has_perm("customers.change_customerprofile"),
            "may_erase": request.user.has_perm("customers.delete_customerprofile"),
        }
        return super().change_view(request, object_id, *args, extra_context=extra, **named)  # type: ignore[no-any-return]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerProfile]:
        """Read the store with each."""
        return super().get_queryset(request).select_related("store")  # type: ignore[no-any-return]

    def get_urls(self) -> list[Any]:
        """Add the pages of what may be done."""
        site, name = self.admin_site.admin_view, "customers_customerprofile"
        return [
            path("<uuid:pk>/correct/", site(self.correct), name=f"{name}_correct"),
            path(
                "<uuid:pk>/withdraw/<slug:purpose>/", site(self.withdraw), name=f"{name}_withdraw"
            ),
            path("<uuid:pk>/export/", site(self.export), name=f"{name}_export"),
            path("<uuid:pk>/erase/", site(self.erase), name=f"{name}_erase"),
            *super().get_urls(),
        ]

    def correct(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Correct what the person says is wrong."""
        customer = _asked(request, pk, "change")
        form = CorrectionForm(request.POST or None, initial=CorrectionForm.initial_of(customer))
        if form.is_valid():
            try:
                profiles.correct(customer=customer, changes=form.changes(), by=_actor(request))
            except BadInput as error:
                form.add_error(error.field if error.field in form.fields else None, error.reason)
            else:
                messages.success(
                    request, "Corrected. What was stated holds whatever purchases tell."
                )
                return _page(customer)
        return self._ask(request, customer, "Correct", "", form=form)

    def withdraw(self, request: HttpRequest, pk: UUID, purpose: str) -> HttpResponse:
        """Take a consent back, on the person's word."""
        customer = _asked(request, pk, "change")
        if purpose not in consents.open_purposes(customer):
            messages.error(request, "This consent is not open.")
            return _page(customer)
        if request.method == "POST":
            consents.withdraw(customer=customer, purpose=purpose, by=_actor(request))
            messages.success(request, "Withdrawn, and with it what rested on it.")
            return _page(customer)
        asked = {
            ConsentText.Purpose.HISTORY: "Purchases and interactions are no longer linked to this customer. This cannot be undone.",
            ConsentText.Purpose.CHAT: "The conversations of this customer are deleted. This cannot be undone.",
            ConsentText.Purpose.PROFILING: "Derived preferences are deleted; this customer sees what everybody sees.",
        }.get(ConsentText.Purpose(purpose), "No news are sent any more.")
        return self._ask(request, customer, f"Withdraw the consent “{purpose}”", asked)

    def export(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """Send everything on the person as a ZIP."""
        customer = _asked(request, pk, "view")
        name = f'attachment; filename="customer-{customer.pk}.zip"'
        body = zip_person(customer=customer.pk, by=_actor(request))
        return StreamingHttpResponse(
            body, content_type="application/zip", headers={"Content-Disposition": name}
        )

    def erase(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show what would be removed; erase when the number is typed."""
        customer = _asked(request, pk, "delete")
        form = ErasureForm(request.POST or None, customer=customer)
        ask = partial(erasure.erase, subject=customer.pk, asked_by=_actor(request))
        try:
            if form.is_valid():
                receipt = ask(reason=form.cleaned_data["reason"])
                if receipt.status == Erasure.Status.DONE:
                    messages.success(request, f"Erased; the receipt is {receipt.pk}.")
                else:
                    messages.warning(
                        request,
                        f"Not all is erased yet; it is tried again every hour. The receipt is {receipt.pk}.",
                    )
                return redirect(reverse("admin:customers_customerprofile_changelist"))
            found = ask(reason="", dry_run=True).removed
        except CultivarError as error:
            messages.error(request, str(error))
            return _page(customer)
        told = "Everything below is removed, and looked for once more. This cannot be undone."
        return self._ask(request, customer, "Erase", told, form=form, found=found)

    def _ask(
        self, request: HttpRequest, customer: CustomerProfile, title: str, asked: str, **more: Any
    ) -> HttpResponse:
        page = {
            **admin.site.each_context(request),
            "title": title,
            "customer": customer,
            "asked": asked,
            **more,
        }
        return TemplateResponse(request, "admin/customers/customerprofile/ask.html", page)


def _actor(request: HttpRequest) -> str:
    return f"user:{request.user.get_username()}"


def _asked(request: HttpRequest, pk: UUID, what: str) -> CustomerProfile:
    if not request.user.has_perm(f"customers.{what}_customerprofile"):
        raise PermissionDenied
    return get_object_or_404(CustomerProfile, pk=pk)


def _page(customer: CustomerProfile) -> HttpResponse:
    return redirect(reverse("admin:customers_customerprofile_change", args=[customer.pk]))
