"""Stores and their shelves; what staff weigh in search, and the page on which questions are tried."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import path
from unfold.admin import ModelAdmin, TabularInline

from catalog.admin.search_playground import playground
from catalog.models import SearchWeights, Store, StoreStock


class StoreStockInline(TabularInline):
    """What a store has."""

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
    """Our shops."""

    list_display = ("name", "code", "province")
    search_fields = ("name", "code")
    list_filter = ("province",)
    inlines = (StoreStockInline,)


@admin.register(SearchWeights)
class SearchWeightsAdmin(ModelAdmin):
    """Added, never changed: the newest holds, and the rest is the history."""

    list_display = ("set_at", "set_by", "stock", "margin", "freshness", "note")
    fields = ("stock", "margin", "freshness", "note")

    def get_urls(self) -> list[Any]:
        """Add the page for trying questions."""
        view = self.admin_site.admin_view(playground)
        return [
            path("playground/", view, name="catalog_searchweights_playground"),
            *super().get_urls(),
        ]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes what held once."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes it either."""
        return False

    def save_model(self, request: Any, obj: SearchWeights, form: Any, change: bool) -> None:
        """Note who set it."""
        obj.set_by = request.user
        super().save_model(request, obj, form, change)
