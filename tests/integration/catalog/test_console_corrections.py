"""Corrections in the console: correct, lock, review, bulk edit and undo."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from catalog.models import Product, ProductLock, ReviewItem
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.services.listings import save_listings
from mlops.models import Operation
from tests.factories.catalog import StoreFactory, StoreStockFactory
from tests.integration.catalog.test_corrections import import_listings, make_listing
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "admin:catalog_product_changelist"


@pytest.fixture
def product() -> Product:
    """Return a product that two sources list with different names and brands."""
    import_listings(
        make_listing(merge_key="gtin:1"),
        make_listing("aglc", "2", merge_key="gtin:1", brand="Redecan", name="Rose Kush"),
    )
    return Product.objects.get()


def _get_page(client: Client, product: Product) -> str:
    response = client.get(reverse("admin:catalog_product_change", args=[product.pk]))
    assert response.status_code == 200
    return response.content.decode()


def _form_value(value: Any) -> Any:
    if isinstance(value, list):
        return ",".join(value)
    return "" if value is None else value


def _post(client: Client, product: Product, **changes: str) -> Any:
    """Submit the product page, as it was opened with the values of `product`, with changes."""
    opened = {name: _form_value(getattr(product, name)) for name in CORRECTABLE_FIELDS}
    initial = {f"initial-{name}": value for name, value in opened.items()}
    page = reverse("admin:catalog_product_change", args=[product.pk])
    return client.post(page, {**opened, **initial, **changes})


def _other_source(product: Product) -> str:
    """Return the source whose brand is not the product's."""
    return "ocs" if product.brand == "Redecan" else "aglc"


def test_page_offers_the_value_of_the_other_source(admin_client: Client, product: Product) -> None:
    page = _get_page(admin_client, product)

    assert f'value="brand:{_other_source(product)}"' in page
    assert page.count('name="_use" value="brand:') == 1


def test_source_value_is_used_and_locked_until_unlocked(
    admin_client: Client, product: Product
) -> None:
    response = _post(admin_client, product, _use=f"brand:{_other_source(product)}")

    assert response.status_code == 302
    assert Product.objects.get().brand != product.brand
    assert ProductLock.objects.get().field == "brand"
    assert "unlock" in _get_page(admin_client, product)

    _post(admin_client, product, _unlock="brand")

    assert not ProductLock.objects.exists()
    assert Product.objects.get().brand == product.brand


def test_saved_values_are_locked_with_the_reason(admin_client: Client, product: Product) -> None:
    response = _post(
        admin_client, product, brand="Ours", terpenes="limonene, myrcene", reason="saw the jar"
    )

    assert response.status_code == 302, response.context["errors"]
    corrected = Product.objects.get()
    assert corrected.brand == "Ours"
    assert corrected.terpenes == ["limonene", "myrcene"]
    assert set(ProductLock.objects.values_list("field", "reason")) >= {
        ("brand", "saw the jar"),
        ("terpenes", "saw the jar"),
    }
    page = _get_page(admin_client, product)
    assert "saw the jar" in page
    assert "→ Ours" in page


def test_invalid_value_is_reported_and_not_saved(admin_client: Client, product: Product) -> None:
    response = _post(admin_client, product, thc_percentage_high="130")

    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert errors == {"thc_percentage_high": ["must be from 0 to 100"]}
    assert not ProductLock.objects.exists()


def test_product_is_created_by_hand(admin_client: Client) -> None:
    page = reverse("admin:catalog_product_add")

    created = admin_client.post(page, {"name": "House pre-roll", "price": "7.50"})
    nameless = admin_client.post(page, {"name": "", "price": "7.50"})

    assert created.status_code == 302
    assert Product.objects.get().price == Decimal("7.50")
    assert "name" in nameless.context["adminform"].form.errors


def test_list_shows_stock_of_all_stores_and_marks_locked_products(
    admin_client: Client, product: Product
) -> None:
    for number, quantity in enumerate((3, 4)):
        store = StoreFactory.create(code=f"store-{number}")
        StoreStockFactory.create(store=store, product=product, quantity=quantity)
    before = admin_client.get(reverse(LIST)).content.decode()
    _post(admin_client, product, brand="Ours")

    page = admin_client.get(reverse(LIST)).content.decode()

    (row,) = admin_client.get(reverse(LIST)).context["cl"].result_list
    assert row.stock_units == 7
    assert 'aria-label="has a locked field"' in page
    assert 'aria-label="has a locked field"' not in before


def test_later_save_does_not_replace_what_another_user_saved(
    admin_client: Client, product: Product
) -> None:
    _post(admin_client, product, price="26.75", brand="Theirs")

    response = _post(admin_client, product, price="27.25")

    assert response.context["adminform"].form.errors == {
        "price": ["was changed to “26.75” while you edited; save again to replace that"]
    }
    assert Product.objects.get().price == Decimal("26.75")


def test_saving_again_replaces_the_value_of_the_other_user(
    admin_client: Client, product: Product
) -> None:
    _post(admin_client, product, price="26.75")
    refused = _post(admin_client, product, price="27.25")
    shown = refused.context["adminform"].form

    response = _post(
        admin_client, product, price="27.25", **{"initial-price": shown.data["initial-price"]}
    )

    assert response.status_code == 302
    assert Product.objects.get().price == Decimal("27.25")


def test_save_leaves_fields_alone_that_another_user_changed_meanwhile(
    admin_client: Client, product: Product
) -> None:
    _post(admin_client, product, brand="Theirs")

    response = _post(admin_client, product, price="27.25")

    assert response.status_code == 302
    changed = Product.objects.get()
    assert (changed.brand, changed.price) == ("Theirs", Decimal("27.25"))


def test_page_carries_the_opened_value_of_every_field(
    admin_client: Client, product: Product
) -> None:
    page = _get_page(admin_client, product)

    assert all(f'name="initial-{name}"' in page for name in CORRECTABLE_FIELDS)


def test_all_errors_are_listed_first_with_links_to_their_fields(
    admin_client: Client, product: Product
) -> None:
    response = _post(admin_client, product, name="", thc_percentage_high="130")

    page = response.content.decode()
    errors = page.index('id="form-errors"')
    assert errors < page.index('href="#id_name"', errors) < page.index('name="name"')
    assert errors < page.index('href="#id_thc_percentage_high"', errors) < page.index('name="name"')


def test_category_and_strain_type_are_chosen_from_their_words(
    admin_client: Client, product: Product
) -> None:
    page = _get_page(admin_client, product)

    assert '<option value="dried_flower"' in page
    assert '<option value="indica_dominant"' in page
    assert '<option value="mg_per_ml"' in page


@pytest.fixture
def many_products() -> list[Product]:
    """Return 120 products."""
    listings = [make_listing(external_id=str(n), name=f"Kush {n}") for n in range(120)]
    save_listings(listings=listings, run=None)
    return list(Product.objects.all())


def _bulk_edit_form(products: list[Product], **fields: str) -> dict[str, Any]:
    return {
        "action": "edit_many",
        "select_across": "1",
        "_selected_action": [str(products[0].pk)],
        **fields,
    }


def test_bulk_edit_shows_a_preview_before_it_writes(
    admin_client: Client, many_products: list[Product]
) -> None:
    form = _bulk_edit_form(many_products, field="brand", value="Redecan", reason="renamed")

    empty_form = admin_client.post(reverse(LIST), _bulk_edit_form(many_products))
    preview = admin_client.post(reverse(LIST), form)
    invalid = admin_client.post(reverse(LIST), {**form, "field": "category", "value": "sweets"})

    assert "preview" not in empty_form.context
    assert preview.context["change_count"] == 120
    assert preview.context["page"].paginator.num_pages == 3
    assert set(invalid.context["form"].errors) == {"value"}
    assert not Product.objects.filter(brand="Redecan").exists()


def test_prices_are_changed_relative_to_each_product(
    admin_client: Client, many_products: list[Product]
) -> None:
    first, second, unpriced = many_products[:3]
    for product, price in ((first, "26.95"), (second, "100.00"), (unpriced, None)):
        Product.objects.filter(pk=product.pk).update(price=price)
    form = {
        "action": "edit_many",
        "select_across": "0",
        "_selected_action": [str(product.pk) for product in (first, second, unpriced)],
        "field": "price",
        "value": "+5 % to .95",
        "reason": "new supplier prices",
    }

    preview = admin_client.post(reverse(LIST), form).context
    admin_client.post(reverse(LIST), {**form, "confirmed": "yes"})

    shown = {row["product"].pk: (row["new"], row["difference"]) for row in preview["preview"]}
    assert shown == {
        first.pk: (Decimal("27.95"), Decimal("1.00")),
        second.pk: (Decimal("104.95"), Decimal("4.95")),
        unpriced.pk: (None, None),
    }
    assert preview["change_count"] == 2
    assert preview["unknown_count"] == 1
    stored = dict(Product.objects.filter(pk__in=shown).values_list("pk", "price"))
    assert stored == {pk: price for pk, (price, _difference) in shown.items()}
    assert set(ProductLock.objects.values_list("product_id")) == {(first.pk,), (second.pk,)}


def test_confirmed_bulk_edit_is_undone_on_the_page_of_its_operation(
    admin_client: Client, many_products: list[Product]
) -> None:
    form = _bulk_edit_form(
        many_products, field="brand", value="Redecan", reason="renamed", confirmed="yes"
    )

    response = admin_client.post(reverse(LIST), form)

    operation = Operation.objects.get(kind=Operation.Kind.BULK_EDIT)
    assert response["Location"] == reverse("admin:mlops_operation_change", args=[operation.pk])
    assert Product.objects.filter(brand="Redecan").count() == 120
    assert "renamed" in admin_client.get(response["Location"]).content.decode()

    undo_page = reverse("admin:mlops_operation_undo", args=[operation.pk])
    assert list(admin_client.get(undo_page).context["conflicts"]) == []
    admin_client.post(undo_page, {"reason": "wrong brand"})

    assert not Product.objects.filter(brand="Redecan").exists()
    assert not ProductLock.objects.exists()


def test_refused_undo_lists_conflicting_edits(admin_client: Client, product: Product) -> None:
    _post(admin_client, product, brand="Ours")
    operation = Operation.objects.get(kind=Operation.Kind.EDIT)
    _post(admin_client, Product.objects.get(), brand="Theirs")

    response = admin_client.post(reverse("admin:mlops_operation_undo", args=[operation.pk]))

    assert message_levels(response)[-1] == "error"
    conflicts = {conflict.field: conflict for conflict in response.context["conflicts"]}
    assert conflicts["brand"].current_value == "Theirs"
    assert Product.objects.get().brand == "Theirs"


@pytest.mark.parametrize(("action", "brand"), [("keep", "Ours"), ("accept", "Changed")])
def test_review_item_is_decided(
    admin_client: Client, product: Product, action: str, brand: str
) -> None:
    _post(admin_client, product, brand="Ours")
    import_listings(
        make_listing("aglc", "2", merge_key="gtin:1", brand="Changed", name="Rose Kush")
    )
    page = reverse("admin:catalog_reviewitem_changelist")
    item = ReviewItem.objects.get()
    assert list(admin_client.get(page).context["cl"].result_list) == [item]

    admin_client.post(page, {"action": action, "_selected_action": [str(item.pk)]})

    assert Product.objects.get().brand == brand
    assert list(admin_client.get(page).context["cl"].result_list) == []


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
def test_search_finds_words_and_similar_spellings(
    admin_client: Client, query: str, is_found: bool
) -> None:
    import_listings(
        make_listing(name="Pink Kush"), make_listing("aglc", "2", name="Rose Kush", brand="Redecan")
    )

    response = admin_client.get(reverse(LIST), {"q": query})

    assert response.status_code == 200
    assert bool(response.context["cl"].result_list) is is_found


@pytest.mark.parametrize(
    "query",
    [
        {"source": "ocs"},
        {"category": "dried_flower"},
        {"strain_type": "indica"},
        {"missing": "terpenes"},
        {"state": "locked"},
        {"state": "review"},
        {"state": "findings"},
        {"state": "stale"},
        {"price_from": "1"},
    ],
    ids=lambda query: "-".join(query.values()),
)
def test_list_accepts_every_filter(
    admin_client: Client, product: Product, query: dict[str, str]
) -> None:
    assert admin_client.get(reverse(LIST), query).status_code == 200


def test_permission_to_view_does_not_allow_changes(client: Client, product: Product) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)
    operation = Operation.objects.create(kind=Operation.Kind.EDIT)

    responses = [
        _post(client, product, _lock="brand"),
        _post(client, product, brand="Ours"),
        client.get(reverse("admin:mlops_operation_undo", args=[operation.pk])),
    ]

    assert _get_page(client, product)
    assert [response.status_code for response in responses] == [403, 403, 403]


@pytest.mark.parametrize(
    ("gtin", "reason"),
    [
        ("123", "has the wrong length"),
        ("628124825081", "has a wrong check digit"),
        ("000000000000", "is a placeholder"),
        ("200000000011", "not a GTIN"),
    ],
)
def test_t55_code_that_is_no_gtin_is_refused_before_it_is_locked(
    admin_client: Client, product: Product, gtin: str, reason: str
) -> None:
    response = _post(admin_client, product, gtin=gtin)

    assert reason in " ".join(response.context["adminform"].form.errors["gtin"])
    assert not ProductLock.objects.exists()


@pytest.mark.parametrize(
    ("terpenes", "warnings"),
    [
        ("myrcen, foo", ["did you mean myrcene?", "'foo' is no known terpene"]),
        ("limonen", ["did you mean limonene?"]),
        ("linalol-oxide", ["'linalol-oxide' is no known terpene"]),
    ],
)
def test_t55_unknown_terpene_is_reported_with_suggestions(
    admin_client: Client, product: Product, terpenes: str, warnings: list[str]
) -> None:
    response = _post(admin_client, product, terpenes=terpenes)

    errors = " ".join(response.context["adminform"].form.errors["terpenes"])
    assert all(warning in errors for warning in warnings)
    assert not ProductLock.objects.exists()


def test_t55_unknown_terpene_is_saved_on_request(admin_client: Client, product: Product) -> None:
    _post(admin_client, product, terpenes="Myrcène, foo", keep_unknown_terpenes="on")

    assert Product.objects.get().terpenes == ["myrcene", "foo"]


@pytest.mark.parametrize(("field", "value"), [("gtin", "123"), ("sku", "N/A"), ("price", "-3")])
def test_t59_table_of_values_shows_stored_values_after_an_error(
    admin_client: Client, product: Product, field: str, value: str
) -> None:
    response = _post(admin_client, product, brand="Ours", **{field: value})

    admin = response.context_data["adminform"].model_admin
    submitted = response.context_data["original"]
    assert (submitted.brand, Product.objects.get().brand) == ("Ours", product.brand)
    assert admin.field_states(submitted) == admin.field_states(Product.objects.get())


@pytest.mark.parametrize("gtin", ["628124825080", "0628124825080", "6-28124825080"])
def test_class_e_gtin_of_any_width_is_stored_with_14_digits(
    admin_client: Client, product: Product, gtin: str
) -> None:
    _post(admin_client, product, gtin=gtin)

    assert Product.objects.get().gtin == "00628124825080"


def test_class_f_gtin_of_another_product_is_refused(admin_client: Client, product: Product) -> None:
    save_listings(
        listings=[make_listing(external_id="9", merge_key="gtin:9", gtin="00628124825080")],
        run=None,
    )

    response = _post(admin_client, product, gtin="628124825080")

    assert "merge the two instead" in str(response.context["adminform"].form.errors["gtin"])
    assert not ProductLock.objects.exists()


def test_class_f_gtin_of_another_product_is_refused_for_a_new_one(
    admin_client: Client, product: Product
) -> None:
    Product.objects.update(gtin="00628124825080")
    form = {"name": "House pre-roll", "gtin": "628124825080"}

    response = admin_client.post(reverse("admin:catalog_product_add"), form)

    assert "belongs to" in str(response.context["adminform"].form.errors["gtin"])
    assert Product.objects.count() == 1


@pytest.mark.parametrize(("field", "value"), [("gtin", "628124825080"), ("sku", "H-1")])
def test_class_f_bulk_edit_gives_no_identifier_to_several_products(
    admin_client: Client, many_products: list[Product], field: str, value: str
) -> None:
    form = _bulk_edit_form(many_products, field=field, value=value, reason="x", confirmed="yes")

    response = admin_client.post(reverse(LIST), form)

    assert "same for 120 products" in str(response.context["form"].errors["value"])
    assert not ProductLock.objects.exists()


@pytest.mark.parametrize("gtin", ["628124825081", "62812482508", "200000000011"])
def test_class_e_code_that_is_no_gtin_is_refused_in_bulk_edit(
    admin_client: Client, many_products: list[Product], gtin: str
) -> None:
    form = _bulk_edit_form(many_products, field="gtin", value=gtin, reason="x")

    response = admin_client.post(reverse(LIST), {**form, "select_across": "0"})

    assert response.context["form"].errors["value"]


def test_t55_unknown_terpene_is_reported_in_bulk_edit(
    admin_client: Client, many_products: list[Product]
) -> None:
    form = _bulk_edit_form(many_products, field="terpenes", value="limonen", reason="x")

    refused = admin_client.post(reverse(LIST), form)
    accepted = admin_client.post(reverse(LIST), {**form, "keep_unknown_terpenes": "on"})

    assert "did you mean limonene?" in str(refused.context["form"].errors["value"])
    assert accepted.context["change_count"] == 120
