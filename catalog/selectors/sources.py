"""Sources of the catalogue: rows, choices of the console, and access settings."""

import base64

from django.db.models import Q, QuerySet

from catalog.models import CatalogSource, SupplierListing
from mlops.pipelines.definitions import SourceAccess


def all_sources() -> QuerySet[CatalogSource]:
    """Return all sources, by code."""
    return CatalogSource.objects.order_by("pk")


def enabled_sources() -> QuerySet[CatalogSource]:
    """Return the enabled sources, by code."""
    return all_sources().filter(is_enabled=True)


def sources_of_daily_sync() -> list[CatalogSource]:
    """Return the enabled sources without their own schedule."""
    return list(CatalogSource.objects.filter(is_enabled=True, schedule=None))


def get_source(code: str) -> CatalogSource:
    """Return a source. Raises CatalogSource.DoesNotExist."""
    return CatalogSource.objects.get(pk=code)


def source_labels() -> list[tuple[str, str]]:
    """Return code and name of each source."""
    return list(CatalogSource.objects.values_list("code", "label"))


def sources_like(text: str, *, limit: int) -> list[CatalogSource]:
    """Return the sources whose name or code contains a text, by code."""
    is_like = Q(label__icontains=text) | Q(code__icontains=text)
    return list(all_sources().filter(is_like)[:limit])


def column_of_field(code: str, field: str) -> str:
    """Return the column of a list that gives a field; "" where the source maps none."""
    source = CatalogSource.objects.filter(pk=code).first()
    columns = (source.mapping or {}).get("columns", {}) if source else {}
    return str(columns.get(field) or "")


def has_listings(code: str) -> bool:
    """Return whether a source has listings, also those no longer listed."""
    return SupplierListing.objects.filter(source=code).exists()


def source_access(code: str) -> SourceAccess:
    """
    Return the access settings of a source: address, file, credentials and rate limit.

    Defaults for an unknown source. Raises TokenRefused when the secret cannot be decrypted.
    """
    source = CatalogSource.objects.filter(pk=code).first()
    if source is None:
        return SourceAccess()
    return SourceAccess(
        base_url=source.base_url,
        file=source.file.name or "",
        headers=_authentication_headers(source),
        requests_per_second=float(source.requests_per_second),
    )


def _authentication_headers(source: CatalogSource) -> dict[str, str]:
    match source.authentication:
        case CatalogSource.Authentication.BASIC:
            credentials = f"{source.authentication_name}:{source.secret}".encode()
            return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}
        case CatalogSource.Authentication.BEARER:
            return {"Authorization": f"Bearer {source.secret}"}
        case CatalogSource.Authentication.HEADER:
            return {source.authentication_name: source.secret}
    return {}
