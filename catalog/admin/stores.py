"""Stores with their stock, and search weights with the search playground, in the console."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import PaginationInlineFormSet

from catalog.admin.search_playground import playground
from catalog.models import SearchWeights, Store, StoreStock
from catalog.services.search_weights import add_search_weights
from catalog.services.stores import correct_store_stock, delete_stores, save_store


class StoreStockFormSet(PaginationInlineFormSet):
    """Rows of a store's stock."""

    def changes(self) -> tuple[list[StoreStock], list[StoreStock]]:
        """Return the rows to save and to delete, unwritten; the log entry names them."""
        saved: list[StoreStock] = super().save(commit=False)
        return saved, list(self.deleted_objects)


class StoreStockInline(TabularInline):
    """Stock of a store."""

    model = StoreStock
    formset = StoreStockFormSet
    fields = ("product", "quantity", "reported_quantity", "counted_at", "restocked_at")
    ordering = ("product__name", "pk")
    readonly_fields = ("reported_quantity", "counted_at", "restocked_at")
    autocomplete_fields = ("product",)
    extra = 0
    per_page = 20
    tab = True


@admin.register(Store)
class StoreAdmin(ModelAdmin):
    """Stores of the retailer."""

    warn_unsaved_form = True
    list_display = ("name", "code", "province")
    search_fields = ("name", "code")
    list_filter = ("province",)
    inlines = (StoreStockInline,)

    def save_model(self, request: Any, obj: Store, form: Any, change: bool) -> None:  # noqa: ARG002  # Django's signature
        """Save the store as an operation."""
        save_store(store=obj, by=request.user)

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:  # noqa: ARG002  # Django's signature
        """Save the stock as an operation."""
        saved, deleted = formset.changes()
        correct_store_stock(store=form.instance, saved=saved, deleted=deleted, by=request.user)

    def delete_model(self, request: Any, obj: Store) -> None:
        """Delete a store as an operation."""
        delete_stores(stores=[obj], by=request.user)

    def delete_queryset(self, request: Any, queryset: QuerySet[Store]) -> None:
        """Delete the selected stores as one operation."""
        delete_stores(stores=queryset, by=request.user)


@admin.register(SearchWeights)
class SearchWeightsAdmin(ModelAdmin):
    """Search weights; the newest row applies, earlier ones are the history."""

    warn_unsaved_form = True
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

    def save_model(
        self,
        request: Any,
        obj: SearchWeights,
        form: Any,  # noqa: ARG002  # Django's signature
        change: bool,  # noqa: ARG002
    ) -> None:
        """Save the weights and record who set them."""
        add_search_weights(weights=obj, by=request.user)
