"""Price of a product in the console: evidence, a check by every guard, and a person's decision."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from catalog.models import Product
from catalog.selectors.products import all_products
from competitors.services.price_guards import (
    PriceRefused,
    approve_price,
    check_price,
    reject_price,
)


class PriceForm(forms.Form):
    """A price to check, approve or reject."""

    new_price = forms.DecimalField(
        label=gettext_lazy("new price"),
        min_value=Decimal("0.01"),
        max_digits=10,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    reason = forms.CharField(
        label=gettext_lazy("reason"),
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
    )


def price_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show the evidence for a price; check a new one, and set or reject it."""
    if not request.user.has_perm("competitors.view_priceapproval"):
        raise PermissionDenied
    product = get_object_or_404(all_products(), pk=pk)
    form = PriceForm(request.POST or None, initial={"new_price": product.price})
    check = None
    if form.is_valid():
        decision = next((name for name in ("approve", "reject") if name in request.POST), "")
        if decision and not request.user.has_perm("competitors.add_priceapproval"):
            raise PermissionDenied
        if _decide(request, product, form, decision):
            return redirect("admin:competitors_priceapproval_product", product.pk)
        check = check_price(product, form.cleaned_data["new_price"])
    elif not form.is_bound and product.price:
        check = check_price(product, product.price)
    context = {
        **admin.site.each_context(request),
        "title": _("Price of %(product)s") % {"product": product.name},
        "product": product,
        "form": form,
        "check": check,
        "may_decide": request.user.has_perm("competitors.add_priceapproval"),
    }
    return TemplateResponse(request, "admin/competitors/price.html", context)


def _decide(request: HttpRequest, product: Product, form: PriceForm, decision: str) -> bool:
    """Approve or reject the price of a form; return whether that was done."""
    by: Any = request.user
    new_price, reason = form.cleaned_data["new_price"], form.cleaned_data["reason"]
    if decision == "approve":
        try:
            approve_price(product=product, new_price=new_price, by=by, reason=reason)
        except PriceRefused as refused:
            messages.error(request, str(refused))
            return False
        messages.success(request, _("The price is %(price)s now.") % {"price": new_price})
        return True
    if decision == "reject":
        if not reason:
            form.add_error("reason", _("is required to reject a price"))
            return False
        reject_price(product=product, new_price=new_price, by=by, reason=reason)
        messages.success(request, _("The rejection is recorded."))
        return True
    return False
