"""Stores, and their stock as corrected by staff. Counts of tills are saved by `stock.py`."""

from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser

from catalog.models import Store, StoreStock
from mlops.audit.operations import operation
from mlops.models import Operation

Kind = Operation.Kind


def save_store(*, store: Store, by: AbstractBaseUser) -> None:
    """Create or change a store."""
    with operation(Kind.EDIT, actor=by, reason=f"store {store.code}"):
        store.save()


def delete_stores(*, stores: Iterable[Store], by: AbstractBaseUser) -> None:
    """Delete stores with their stock."""
    rows = list(stores)
    codes = ", ".join(store.code for store in rows)
    with operation(Kind.EDIT, actor=by, reason=f"deletion of the stores {codes}"):
        for store in rows:
            store.delete()


def correct_store_stock(
    *,
    store: Store,
    saved: Iterable[StoreStock],
    deleted: Iterable[StoreStock],
    by: AbstractBaseUser,
) -> None:
    """Save and delete rows of a store's stock."""
    saved_rows = list(saved)
    deleted_rows = list(deleted)
    if not saved_rows and not deleted_rows:
        return
    with operation(Kind.EDIT, actor=by, reason=f"stock of the store {store.code}"):
        for row in deleted_rows:
            row.delete()
        for row in saved_rows:
            row.reported_quantity = None  # a person has counted
            row.save()
