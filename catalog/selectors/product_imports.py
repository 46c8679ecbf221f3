"""Imports of product sheets: of one person, and due to expire."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, QuerySet

from catalog.models import ProductImport

_MAX_RECENT = 10


def recent_imports(user: AbstractBaseUser) -> QuerySet[ProductImport]:
    """Return the last imports of a person, newest first."""
    return ProductImport.objects.filter(uploaded_by=user.pk)[:_MAX_RECENT]


def find_import(pk: UUID, user: AbstractBaseUser) -> ProductImport | None:
    """Return an import of a person with its operation; None for an import of another."""
    imports = ProductImport.objects.select_related("operation")
    return imports.filter(pk=pk, uploaded_by=user.pk).first()


def imports_to_expire(now: datetime) -> QuerySet[ProductImport]:
    """Return the imports that expired before a time and still have a file or preview."""
    has_data = ~Q(file="") | ~Q(preview={})
    return ProductImport.objects.filter(has_data, expires_at__lt=now)
