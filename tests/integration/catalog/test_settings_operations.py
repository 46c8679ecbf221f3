"""Settings of the catalogue changed by staff are recorded as operations with their actor."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from catalog.models import CatalogSource, Product, SearchWeights, Store, StoreStock
from catalog.services.corrections import create_product
from mlops.models import Operation
from tests.factories.catalog import StoreFactory, StoreStockFactory

pytestmark = pytest.mark.django_db
STORES = "/console/catalog/store/"
NO_STOCK = {"stock-TOTAL_FORMS": "0", "stock-INITIAL_FORMS": "0"}


@pytest.fixture
def store() -> Store:
    return StoreFactory.create(code="queen")


@pytest.fixture
def product(admin_user: User) -> Product:
    return create_product(values={"name": "Pink Kush"}, by=admin_user)


def _reasons(user: User) -> list[str]:
    operations = Operation.objects.filter(actor=user, kind=Operation.Kind.EDIT)
    return list(operations.order_by("started_at").values_list("reason", flat=True))


def test_new_search_weights_are_recorded_with_their_note(
    admin_client: Client, admin_user: User
) -> None:
    values = {"stock": "0.2", "margin": "0", "freshness": "0", "note": "stock first"}

    admin_client.post("/console/catalog/searchweights/add/", values)

    assert SearchWeights.objects.get().set_by == admin_user
    assert _reasons(admin_user) == ["search weights: stock first"]


def test_new_store_is_recorded(admin_client: Client, admin_user: User) -> None:
    values = {"code": "queen", "name": "Queen", "province": "ON", **NO_STOCK}

    admin_client.post(f"{STORES}add/", values)

    assert Store.objects.get().name == "Queen"
    assert _reasons(admin_user) == ["store queen"]


def test_corrected_stock_is_saved_and_recorded(
    admin_client: Client, admin_user: User, store: Store, product: Product
) -> None:
    row = StoreStockFactory.create(store=store, product=product, quantity=1)
    values = {
        "code": "queen",
        "name": "Queen",
        "province": "ON",
        "stock-TOTAL_FORMS": "1",
        "stock-INITIAL_FORMS": "1",
        "stock-0-id": str(row.pk),
        "stock-0-store": str(store.pk),
        "stock-0-product": str(product.pk),
        "stock-0-quantity": "7",
    }

    response = admin_client.post(f"{STORES}{store.pk}/change/", values)

    row.refresh_from_db()
    assert (response.status_code, row.quantity) == (302, 7)
    assert _reasons(admin_user)[-1] == "stock of the store queen"


def test_stock_row_marked_for_deletion_is_deleted(
    admin_client: Client, admin_user: User, store: Store, product: Product
) -> None:
    row = StoreStockFactory.create(store=store, product=product, quantity=1)
    values = {
        "code": "queen",
        "name": "Queen",
        "province": "ON",
        "stock-TOTAL_FORMS": "1",
        "stock-INITIAL_FORMS": "1",
        "stock-0-id": str(row.pk),
        "stock-0-store": str(store.pk),
        "stock-0-product": str(product.pk),
        "stock-0-quantity": "1",
        "stock-0-DELETE": "on",
    }

    admin_client.post(f"{STORES}{store.pk}/change/", values)

    assert not StoreStock.objects.exists()
    assert _reasons(admin_user)[-1] == "stock of the store queen"


def test_deleted_stores_are_recorded(admin_client: Client, admin_user: User, store: Store) -> None:
    values = {"action": "delete_selected", "_selected_action": [str(store.pk)], "post": "yes"}

    admin_client.post(STORES, values)

    assert not Store.objects.exists()
    assert _reasons(admin_user) == ["deletion of the stores queen"]


def test_source_settings_and_deletion_are_recorded(admin_client: Client, admin_user: User) -> None:
    source = CatalogSource.objects.create(
        code="mine", label="Mine", kind="sheet", base_url="https://example.test/list.csv"
    )
    values = {
        "label": "Ours",
        "base_url": source.base_url,
        "authentication": "none",
        "requests_per_second": "5",
        "max_gone_percent": "20",
        "max_price_jump_percent": "10",
    }

    admin_client.post("/console/catalog/catalogsource/mine/change/", values)
    admin_client.post("/console/catalog/catalogsource/mine/delete/", {"post": "yes"})

    assert not CatalogSource.objects.filter(pk="mine").exists()
    assert _reasons(admin_user) == [
        "settings of the source mine",
        "deletion of the source mine",
    ]


def test_source_configured_by_command_is_recorded_without_an_actor() -> None:
    call_command("configure_source", "ocs", "--enable")

    operation = Operation.objects.get()
    assert (operation.actor, operation.reason) == (None, "settings of the source ocs")
