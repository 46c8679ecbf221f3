"""Stores with their stock, and search weights with the search playground, in the console."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import path
from unfold.admin import ModelAdmin, TabularInline

from catalog.admin.search_playground import playground
from catalog.models import SearchWeights, Store, StoreStock


class StoreStockInline(TabularInline):
    """Stock of a store."""

    model = StoreStock
    fields = ("product", "quantity", "counted_at")
    ordering = ("product__name", "pk")
    readonly_fields = ("counted_at",)
    autocomplete_fields = ("product",)
    extra = 0
    per_page = 20
    tab = True


@admin.register(Store)
class StoreAdmin(ModelAdmin):
    """Stores of the retailer."""

    list_display = ("name", "code", "province")
    search_fields = ("name", "code")
    list_filter = ("province",)
    inlines = (StoreStockInline,)


@admin.register(SearchWeights)
class SearchWeightsAdmin(ModelAdmin):
    """Search weights; the newest row applies, earlier ones are the history."""

    list_display = ("set_at", "set_by", "stock", "margin", "freshness", "note")
    fields = ("stock", "margin", "freshness", "note")

    def get_urls(self) -> list[Any]:
        """Add the search playground."""
        view = self.admin_site.admin_view(playground)
        return [
            path("playground/", view, name="catalog_searchweights_playground"),
            *super().get_urls(),
        ]

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Forbid changes: new weights are added as a new row."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Forbid deletion of the history."""
        return False

    def save_model(self, request: Any, obj: SearchWeights, form: Any, change: bool) -> None:
        """Record who set the weights."""
        obj.set_by = request.user
        super().save_model(request, obj, form, change)
