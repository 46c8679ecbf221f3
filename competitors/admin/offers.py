"""Competitors' offers in the console, to be read: prices, stock, match, history."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from competitors.admin.match_queue import match_urls
from competitors.admin.price_board import board_urls
from competitors.models import CompetitorOffer, OfferMatch
from config.admin.labels import ColoredLabel
from mlops.admin.read_only import ReadOnlyAdmin, pretty_json

_Status = CompetitorOffer.MatchStatus
_Stock = CompetitorOffer.Stock


class GoneFilter(admin.SimpleListFilter):
    """Offers on sale, or no longer listed."""

    title = _("on sale")
    parameter_name = "gone"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        """Return the two states."""
        return [("no", _("on sale")), ("yes", _("no longer listed"))]

    def queryset(self, _request: HttpRequest, queryset: Any) -> Any:
        """Return the offers in the chosen state."""
        if self.value() == "no":
            return queryset.filter(gone_at=None)
        return queryset.exclude(gone_at=None) if self.value() == "yes" else queryset


@admin.register(CompetitorOffer)
class CompetitorOfferAdmin(ReadOnlyAdmin):
    """Offers as last observed."""

    list_display = (
        "name",
        "brand",
        "size",
        "competitor",
        "price_text",
        "stock_label",
        "match_label",
        "product_link",
        "last_seen_at",
    )
    list_filter = (
        "competitor",
        "match_status",
        "stock",
        "category",
        GoneFilter,
    )
    list_select_related = ("competitor", "product")
    search_fields = ("name", "brand", "sku", "gtin__exact")
    fields = (
        ("competitor", "location", "external_id"),
        ("name", "brand", "size", "category"),
        ("gtin", "sku", "url"),
        ("regular_price", "sale_price", "member_price", "currency", "is_tax_included"),
        "promotion_list",
        ("stock", "stock_quantity", "confidence"),
        ("product_link", "match_label", "match_score"),
        ("first_seen_at", "last_seen_at", "price_changed_at", "gone_at"),
        ("capture_hash", "extractor_version", "run"),
    )
    readonly_fields = ("promotion_list", "product_link", "match_label")
    actions_detail = ("go_to_match",)

    def get_urls(self) -> list[Any]:
        """Add the price board and the assortment gaps."""
        return [*board_urls(self.admin_site), *super().get_urls()]

    @admin.display(description=_("price"), ordering="regular_price")
    def price_text(self, offer: CompetitorOffer) -> SafeString | str:
        """Show the price, with the regular price where a sale is on."""
        if offer.sale_price is not None and offer.regular_price is not None:
            return format_html("${} <s>${}</s>", offer.sale_price, offer.regular_price)
        price = offer.sale_price if offer.regular_price is None else offer.regular_price
        return "–" if price is None else f"${price}"

    @display(
        description=_("stock"),
        ordering="stock",
        label={_Stock.IN_STOCK: "success", _Stock.LOW: "warning", _Stock.OUT: "danger"},
    )
    def stock_label(self, offer: CompetitorOffer) -> ColoredLabel:
        """Show the stock status as a colored label."""
        return ColoredLabel(offer.stock, offer.get_stock_display())

    @display(
        description=_("match"),
        ordering="match_status",
        label={
            _Status.CONFIRMED: "success",
            _Status.AUTOMATIC: "success",
            _Status.PROPOSED: "warning",
            _Status.UNMATCHED: "info",
        },
    )
    def match_label(self, offer: CompetitorOffer) -> ColoredLabel:
        """Show the state of the match as a colored label."""
        return ColoredLabel(offer.match_status, offer.get_match_status_display())

    @admin.display(description=_("product"))
    def product_link(self, offer: CompetitorOffer) -> SafeString | str:
        """Link to the matched product."""
        if offer.product is None:
            return "–"
        address = reverse("admin:catalog_product_change", args=[offer.product.pk])
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
            address,
            offer.product.name,
        )

    @action(description=_("Match"), url_path="to-match")
    def go_to_match(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the match of the offer."""
        return redirect("admin:competitors_offermatch_offer", object_id)

    @admin.display(description=_("promotions"))
    def promotion_list(self, offer: CompetitorOffer) -> SafeString | str:
        """Show the conditional prices as stated."""
        return pretty_json(offer.promotions) if offer.promotions else "–"


@admin.register(OfferMatch)
class OfferMatchAdmin(ReadOnlyAdmin):
    """Comparisons of offers with products; the queues decide them."""

    list_display = ("score", "offer", "product", "verdict", "decided_by", "decided_at")
    list_filter = ("verdict",)
    list_select_related = ("offer", "product", "decided_by")
    search_fields = ("offer__name", "product__name")
    fields = (
        ("offer", "product"),
        ("score", "algorithm", "verdict"),
        ("decided_by", "decided_at"),
        "reason_list",
        "earlier_verdicts",
    )
    readonly_fields = ("reason_list", "earlier_verdicts")

    def get_urls(self) -> list[Any]:
        """Add the queues."""
        return [*match_urls(self.admin_site), *super().get_urls()]

    @admin.display(description=_("compared"))
    def reason_list(self, match: OfferMatch) -> SafeString:
        """Show the results of the comparison."""
        return pretty_json(match.reasons)

    @admin.display(description=_("earlier verdicts"))
    def earlier_verdicts(self, match: OfferMatch) -> SafeString | str:
        """Show the history of the pair."""
        return pretty_json(match.history) if match.history else "–"
