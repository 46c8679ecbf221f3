"""All pages of the console, found in the admin's registered addresses."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import NoReverseMatch, URLPattern, reverse

from catalog.models import CatalogSource, Product, ProductImport
from competitors.models import CompetitorOffer
from customers.models import Consent
from mlops.models import ModelVersion, RawRecord
from vectors.models import VectorIndex

_NOT_PAGES = frozenset(
    {
        # Downloads
        "customers_customerprofile_export",
        "mlops_rawrecord_bytes",
        "competitors_competitoroffer_board_export",
        # Only submitted
        "mlops_quarantinedrecord_forget",
        "competitors_competitoroffer_board_filters",
        "competitors_pricesuggestion_decide",
        "mlops_experiment_start",
        "mlops_experiment_stop",
        "customers_scenario_preview",
        # Their arguments are of other models: see _pages_with_arguments.
        "catalog_product_raw_lineage",
        "catalog_product_import_detail",
        "catalog_catalogsource_columns",
        "competitors_priceapproval_product",
        "competitors_offermatch_offer",
        "customers_scenario_product_as_customer",
    }
)
_SITE_PAGES = ("index", "password_change", "password_change_done")


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """A page: name of its URL and path."""

    name: str
    path: str


def console_pages(user: User) -> list[ConsolePage]:
    """Return every page that a user may open; those of a row show the first row of their model."""
    request = RequestFactory().get("/")
    request.user = user
    pages = [ConsolePage(name, reverse(f"admin:{name}")) for name in _SITE_PAGES]
    for model, model_admin in admin.site._registry.items():
        pages += _pages_of(model, model_admin, request)
    return [*pages, *_pages_with_arguments()]


def models_without_rows() -> list[str]:
    """Return the models of the console without a row, whose pages show nothing."""
    return [
        model._meta.label for model in admin.site._registry if not model._default_manager.exists()
    ]


def _pages_of(model: type[Model], model_admin: Any, request: HttpRequest) -> Iterator[ConsolePage]:
    row = model._default_manager.order_by("pk").first()
    refused = {
        f"{model._meta.app_label}_{model._meta.model_name}_{action}"
        for action in ("add", "delete")
        if not getattr(model_admin, f"has_{action}_permission")(request)
    }
    for pattern in model_admin.get_urls():
        name = pattern.name if isinstance(pattern, URLPattern) else None
        # Actions of Unfold redirect to the pages that do the work.
        if name is None or "_go_to_" in name or "_dry_run" in name:
            continue
        if name in _NOT_PAGES or name in refused or _is_repeated(name, model_admin, request):
            continue
        path = _path(name, row)
        if path:
            yield ConsolePage(name, path)


def _is_repeated(name: str, model_admin: Any, request: HttpRequest) -> bool:
    """Return whether a page differs from another one in its title or the values of its row only."""
    if name.endswith(("_history", "_delete")):
        return model_admin.model is not User
    return name.endswith("_add") and model_admin.has_change_permission(request)


def _path(name: str, row: Model | None) -> str:
    for arguments in ([], [row.pk] if row is not None else []):
        try:
            return reverse(f"admin:{name}", args=arguments)
        except NoReverseMatch:
            continue
    return ""


def _pages_with_arguments() -> Iterator[ConsolePage]:
    """Yield the pages of actions, and those that need more than the row of their model."""
    consent = Consent.objects.filter(purpose="history")[0]
    version = ModelVersion.objects.latest("created_at")
    arguments: list[tuple[str, list[Any]]] = [
        ("catalog_product_raw_lineage", [RawRecord.objects.all()[0].pk]),
        ("catalog_product_import_detail", [ProductImport.objects.all()[0].pk]),
        ("catalog_catalogsource_columns", [CatalogSource.objects.filter(kind="sheet")[0].pk]),
        ("customers_scenario_product_as_customer", [Product.objects.current()[0].pk]),
        ("competitors_priceapproval_product", [Product.objects.current()[0].pk]),
        ("competitors_offermatch_offer", [CompetitorOffer.objects.all()[0].pk]),
        (
            "customers_customerprofile_withdraw",
            [consent.customer_id, "history"],
        ),
        ("mlops_modelversion_action", [version.pk, "deploy"]),
        ("mlops_modelversion_compare", [version.pk, version.pk]),
        ("vectors_vectorindex_action", [VectorIndex.objects.all()[0].pk, "rebuild"]),
    ]
    for name, values in arguments:
        yield ConsolePage(name, reverse(f"admin:{name}", args=values))
