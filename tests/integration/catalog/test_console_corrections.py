"""Staff at work on products in the console: correct, lock, answer, edit many, undo."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Product, ProductLock, ReviewItem
from catalog.models.corrections import CORRECTABLE
from catalog.services.listings import save_listings
from mlops.models import Operation
from tests.integration.catalog.test_corrections import _listing, _save

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "admin:catalog_product_changelist"


@pytest.fixture
def product() -> Product:
    """One product that two sources list."""
    _save(
        _listing(merge_key="gtin:1"),
        _listing("aglc", "2", merge_key="gtin:1", brand="Redecan", name="Rose Kush"),
    )
    return Product.objects.get()


def _page(client: Client, product: Product) -> str:
    answer = client.get(reverse("admin:catalog_product_change", args=[product.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def _post(client: Client, product: Product, **form: str) -> Any:
    kept = {name: getattr(product, name) for name in CORRECTABLE}
    told = {
        name: ",".join(value) if isinstance(value, list) else "" if value is None else value
        for name, value in kept.items()
    }
    return client.post(reverse("admin:catalog_product_change", args=[product.pk]), {**told, **form})


def test_page_tells_each_sources_value_and_offers_the_other(
    admin_client: Client, product: Product
) -> None:
    page = _page(admin_client, product)
    other = "ocs" if product.brand == "Redecan" else "aglc"
    assert f'value="brand:{other}"' in page
    assert page.count('name="_use" value="brand:') == 1


def test_use_this_takes_the_value_and_locks(admin_client: Client, product: Product) -> None:
    other = "ocs" if product.brand == "Redecan" else "aglc"
    assert _post(admin_client, product, _use=f"brand:{other}").status_code == 302
    after = Product.objects.get()
    assert after.brand != product.brand
    assert ProductLock.objects.get().field == "brand"
    assert "unlock" in _page(admin_client, product)
    _post(admin_client, product, _unlock="brand")
    assert not ProductLock.objects.exists()
    assert Product.objects.get().brand == product.brand


def test_saved_values_are_locked_with_the_reason(admin_client: Client, product: Product) -> None:
    answer = _post(
        admin_client, product, brand="Ours", terpenes="limonene, myrcene", reason="saw the jar"
    )
    assert answer.status_code == 302, answer.context["errors"]
    after = Product.objects.get()
    assert (after.brand, after.terpenes) == ("Ours", ["limonene", "myrcene"])
    assert set(ProductLock.objects.values_list("field", "reason")) >= {
        ("brand", "saw the jar"),
        ("terpenes", "saw the jar"),
    }
    page = _page(admin_client, product)
    assert "saw the jar" in page
    assert "→ Ours" in page


def test_wrong_value_is_told_beside_its_field(admin_client: Client, product: Product) -> None:
    answer = _post(admin_client, product, thc_percentage_high="130")
    assert answer.status_code == 200
    assert "must be from 0 to 100" in answer.content.decode()
    assert not ProductLock.objects.exists()


def test_product_is_made_by_hand(admin_client: Client) -> None:
    answer = admin_client.post(
        reverse("admin:catalog_product_add"), {"name": "House pre-roll", "price": "7.50"}
    )
    assert answer.status_code == 302
    assert Product.objects.get().price == Decimal("7.50")
    again = admin_client.post(reverse("admin:catalog_product_add"), {"name": "", "price": "7.50"})
    assert "This field is required" in again.content.decode()


def test_price_is_edited_in_the_list(admin_client: Client, product: Product) -> None:
    form = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(product.pk),
        "form-0-price": "11.00",
        "_save": "Save",
    }
    assert admin_client.post(reverse(LIST), form).status_code == 302
    assert Product.objects.get().price == Decimal(11)
    assert ProductLock.objects.get().field == "price"


def test_many_are_edited_after_a_preview_and_undone(admin_client: Client) -> None:
    save_listings(
        listings=[_listing(external_id=str(n), name=f"Kush {n}") for n in range(120)], run=None
    )
    chosen: dict[str, Any] = {
        "action": "edit_many",
        "select_across": "1",
        "_selected_action": [str(Product.objects.all()[0].pk)],
    }
    assert "Show what would change" in admin_client.post(reverse(LIST), chosen).content.decode()
    asked = {**chosen, "field": "brand", "value": "Redecan", "reason": "renamed"}
    preview = admin_client.post(reverse(LIST), asked).content.decode()
    assert "120 of 120 products would change" in preview
    assert "Page 1 of 3" in preview
    assert not Product.objects.filter(brand="Redecan").exists()
    wrong = admin_client.post(
        reverse(LIST), {**asked, "field": "category", "value": "sweets"}
    ).content.decode()
    assert "must be one of" in wrong
    answer = admin_client.post(reverse(LIST), {**asked, "confirmed": "yes"})
    done = Operation.objects.get(kind="bulk-edit")
    assert answer["Location"] == reverse("admin:mlops_operation_change", args=[done.pk])
    assert Product.objects.filter(brand="Redecan").count() == 120
    assert "renamed" in admin_client.get(answer["Location"]).content.decode()
    undo = reverse("admin:mlops_operation_undo", args=[done.pk])
    assert "Yes, undo" in admin_client.get(undo).content.decode()
    admin_client.post(undo, {"reason": "wrong brand"})
    assert not Product.objects.filter(brand="Redecan").exists()
    assert not ProductLock.objects.exists()


def test_refused_undo_lists_what_was_written_since(admin_client: Client, product: Product) -> None:
    _post(admin_client, product, brand="Ours")
    done = Operation.objects.get(kind="edit")
    _post(admin_client, product, brand="Theirs")
    page = admin_client.post(reverse("admin:mlops_operation_undo", args=[done.pk])).content.decode()
    assert "It cannot be undone" in page
    assert "Theirs" in page
    assert Product.objects.get().brand == "Theirs"


@pytest.mark.parametrize(("action", "brand"), [("keep", "Ours"), ("take", "Changed")])
def test_review_item_is_answered(
    admin_client: Client, product: Product, action: str, brand: str
) -> None:
    _post(admin_client, product, brand="Ours")
    _save(_listing("aglc", "2", merge_key="gtin:1", brand="Changed", name="Rose Kush"))
    page = reverse("admin:catalog_reviewitem_changelist")
    assert "Changed" in admin_client.get(page).content.decode()
    item = ReviewItem.objects.get()
    admin_client.post(page, {"action": action, "_selected_action": [str(item.pk)]})
    assert Product.objects.get().brand == brand
    assert "Changed" not in admin_client.get(page).content.decode()


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("pink", True),
        ("rose", True),
        ("pnik kush", True),
        ("redecan", True),
        ("zzzz", False),
        ("'; DROP", False),
    ],
)
def test_search_finds_words_and_near_spellings(
    admin_client: Client, query: str, is_found: bool
) -> None:
    _save(_listing(name="Pink Kush"), _listing("aglc", "2", name="Rose Kush", brand="Redecan"))
    page = admin_client.get(reverse(LIST), {"q": query})
    assert page.status_code == 200
    assert (
        'class="field-name' in page.content.decode() or "Kush" in page.content.decode()
    ) is is_found


@pytest.mark.parametrize(
    "query",
    [
        {"source": "ocs"},
        {"category": "dried-flower"},
        {"strain_type": "indica"},
        {"missing": "terpenes"},
        {"state": "locked"},
        {"state": "review"},
        {"state": "findings"},
        {"state": "stale"},
        {"price_from": "1"},
    ],
    ids=lambda q: "-".join(q.values()),
)
def test_filters_answer(admin_client: Client, product: Product, query: dict[str, str]) -> None:
    assert admin_client.get(reverse(LIST), query).status_code == 200


def test_looking_is_not_changing(client: Client, product: Product) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    from django.contrib.auth.models import Permission

    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)
    assert _page(client, product)
    assert _post(client, product, _lock="brand").status_code == 403
    assert _post(client, product, brand="Ours").status_code == 403
    done = Operation.objects.create(kind="edit")
    assert client.get(reverse("admin:mlops_operation_undo", args=[done.pk])).status_code == 403
