"""Corrections: locks hold against every sync, import, client and merge; operations are undone."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from catalog.ingest.records import CleanListing, Potency
from catalog.models import Product, ProductLock, ReviewItem
from catalog.services.corrections import (
    accept_source_value,
    correct_products,
    create_product,
    lock_fields,
    unlock_fields,
    update_products,
)
from catalog.services.duplicates import merge_pair, unmerge
from catalog.services.listings import save_listings
from catalog.services.review_items import keep_locked_value
from catalog.services.undo import UndoRefused, undo_operation
from config.errors import BadInput
from mlops.models import Operation, RowChange

pytestmark = pytest.mark.django_db(transaction=True)
GTIN = "00628110000125"


def make_listing(source: str = "ocs", external_id: str = "1", **fields: Any) -> CleanListing:
    """Return a clean listing with defaults."""
    defaults: dict[str, Any] = {
        "source": source,
        "external_id": external_id,
        "language": "en",
        "merge_key": f"{source}:{external_id}",
        "name": "Pink Kush",
        "raw_name": "Pink Kush",
        "brand": "San Rafael '71",
        "producer": None,
        "sku": external_id,
        "gtin": None,
        "category": "dried_flower",
        "strain_type": "indica",
        "thc": Potency(low=Decimal(20), high=Decimal(26), unit="percent"),
        "cbd": None,
        "weight_grams": Decimal("3.5"),
        "unit_count": None,
        "price": Decimal("29.95"),
        "price_kind": "retail",
        "url": None,
    }
    return CleanListing(**{**defaults, **fields})


def import_listings(*listings: CleanListing) -> None:
    """Save listings as a sync does."""
    save_listings(listings=list(listings), run=None)


def _import_product(**fields: Any) -> Product:
    import_listings(make_listing(**fields))
    source = fields.get("source", "ocs")
    external_id = fields.get("external_id", "1")
    return Product.objects.get(merge_key=f"{source}:{external_id}")


def _correct(product: Product, by: User, **values: Any) -> Operation:
    result = correct_products(changes={product.pk: values}, by=by, reason="read the label")
    assert result.operation
    return result.operation


def _current_value(product: Product, field: str) -> Any:
    return Product.objects.values_list(field, flat=True).get(pk=product.pk)


def _all_products() -> list[tuple[Any, ...]]:
    columns = [f.name for f in Product._meta.fields if f.name not in ("updated_at", "matched_with")]
    return list(Product.objects.order_by("pk").values_list(*columns))


def test_unchanged_source_value_leaves_a_locked_field_and_opens_no_review_item(
    admin_user: User,
) -> None:
    product = _import_product()
    _correct(product, admin_user, strain_type="hybrid")

    import_listings(make_listing())
    import_listings(make_listing(price=Decimal(31)))

    assert _current_value(product, "strain_type") == "hybrid"
    assert _current_value(product, "price") == Decimal(31)
    assert not ReviewItem.objects.exists()


def test_changed_source_value_leaves_a_locked_field_and_opens_one_review_item(
    admin_user: User,
) -> None:
    product = _import_product()
    _correct(product, admin_user, strain_type="hybrid")

    for price in (30, 31, 32):
        import_listings(make_listing(strain_type="sativa", price=Decimal(price)))

    assert _current_value(product, "strain_type") == "hybrid"
    item = ReviewItem.objects.get()
    assert item.field == "strain_type"
    assert item.source == "ocs"
    assert item.previous_source_value == "indica"
    assert item.current_source_value == "sativa"


def test_missing_source_value_leaves_a_locked_field_and_opens_no_review_item(
    admin_user: User,
) -> None:
    product = _import_product()
    _correct(product, admin_user, strain_type="hybrid", terpenes=["limonene"])

    import_listings(make_listing(strain_type=None, thc=None, price=None))

    assert _current_value(product, "strain_type") == "hybrid"
    assert _current_value(product, "thc_percentage_high") == Decimal(26)
    assert not ReviewItem.objects.exists()


def test_enrichment_leaves_locked_terpenes(admin_user: User) -> None:
    product = _import_product()
    _correct(product, admin_user, terpenes=["limonene"])

    import_listings(
        make_listing(
            terpenes=("myrcene",),
            terpene_source="strain_mean",
            effects=("sleepy",),
            effects_source="reported",
        )
    )

    product.refresh_from_db()
    assert product.terpenes == ["limonene"]
    assert product.terpene_source == "staff"
    assert product.effects == ["sleepy"]


def test_imports_and_clients_skip_locked_fields(admin_user: User) -> None:
    product = _import_product()
    _correct(product, admin_user, strain_type="hybrid")

    imported = correct_products(
        changes={product.pk: {"strain_type": "sativa", "brand": "Other"}},
        by=admin_user,
        kind=Operation.Kind.IMPORT,
    )
    patched = update_products(
        changes={product.pk: {"strain_type": "sativa", "price": "12"}}, by=None, client="till"
    )

    assert imported.skipped == [(product.pk, "strain_type")]
    assert patched.skipped == [(product.pk, "strain_type")]
    product.refresh_from_db()
    assert product.strain_type == "hybrid"
    assert product.brand == "Other"
    assert product.price == Decimal(12)


def test_database_trigger_protects_locked_fields(admin_user: User) -> None:
    product = _import_product()
    _correct(product, admin_user, strain_type="hybrid")

    Product.objects.filter(pk=product.pk).update(strain_type="sativa", name="Else")
    Product.objects.bulk_create(
        [Product(pk=product.pk, merge_key=product.merge_key, name="Third", strain_type="sativa")],
        update_conflicts=True,
        unique_fields=["merge_key"],
        update_fields=["name", "strain_type"],
    )
    stale = Product.objects.get(pk=product.pk)
    stale.strain_type = "indica"
    stale.save()

    assert _current_value(product, "strain_type") == "hybrid"
    assert _current_value(product, "name") == "Third"


def test_created_product_is_locked_and_its_gtin_cannot_be_created_again(
    admin_user: User,
) -> None:
    product = create_product(values={"name": "Own", "gtin": GTIN, "price": "5"}, by=admin_user)

    with pytest.raises(BadInput, match="belongs to Own"):
        create_product(values={"name": "Else", "gtin": GTIN}, by=admin_user)

    import_listings(make_listing(merge_key=f"gtin:{GTIN}", gtin=GTIN))
    assert _current_value(product, "name") == "Own"
    assert _current_value(product, "price") == Decimal(5)
    assert Product.objects.count() == 1


def test_merge_copies_locks_and_unmerge_takes_them_back(admin_user: User) -> None:
    survivor = _import_product(merge_key="ocs:1", gtin=GTIN)
    loser = _import_product(source="aglc", external_id="2")
    _correct(survivor, admin_user, strain_type="hybrid")
    _correct(loser, admin_user, strain_type="sativa", brand="Redecan")

    merge_pair(left=survivor, right=loser, by=admin_user)
    assert _current_value(survivor, "strain_type") == "hybrid"
    assert _current_value(survivor, "brand") == "Redecan"
    assert not ReviewItem.objects.exists()

    import_listings(make_listing(source="aglc", external_id="2", brand="Third"))
    assert _current_value(survivor, "brand") == "Redecan"
    assert ReviewItem.objects.get().current_source_value == "Third"

    unmerge(product=Product.objects.get(pk=loser.pk), by=admin_user)
    assert _current_value(survivor, "brand") == "San Rafael '71"
    assert _current_value(loser, "brand") == "Redecan"
    assert set(ProductLock.objects.values_list("product", "field")) == {
        (survivor.pk, "strain_type"),
        (loser.pk, "strain_type"),
        (loser.pk, "brand"),
    }


def test_kept_value_is_reviewed_again_only_after_another_change_of_the_source(
    admin_user: User,
) -> None:
    product = _import_product()
    _correct(product, admin_user, strain_type="hybrid")
    import_listings(make_listing(strain_type="sativa"))
    keep_locked_value(item=ReviewItem.objects.get(), by=admin_user)

    import_listings(make_listing(strain_type="sativa", price=Decimal(3)))
    assert not ReviewItem.objects.filter(closed_at=None).exists()

    import_listings(make_listing(strain_type="indica-dominant"))
    assert ReviewItem.objects.get(closed_at=None).current_source_value == "indica-dominant"


def test_accepted_source_value_replaces_the_locked_value(admin_user: User) -> None:
    product = _import_product()
    _correct(product, admin_user, brand="Ours")
    import_listings(make_listing(brand="Theirs"))

    accept_source_value(item=ReviewItem.objects.get(), by=admin_user)

    assert _current_value(product, "brand") == "Theirs"
    assert ReviewItem.objects.get().outcome == "accepted"
    import_listings(make_listing(brand="Theirs", price=Decimal(3)))
    assert not ReviewItem.objects.filter(closed_at=None).exists()


def test_source_that_returns_to_its_value_withdraws_the_review_item(admin_user: User) -> None:
    product = _import_product()
    _correct(product, admin_user, brand="Ours")

    import_listings(make_listing(brand="Theirs"))
    import_listings(make_listing())

    assert ReviewItem.objects.get().outcome == "withdrawn"


def test_unlocking_applies_the_current_source_value_at_once(admin_user: User) -> None:
    product = _import_product()
    _correct(product, admin_user, brand="Ours")
    import_listings(make_listing(brand="Theirs"))

    unlock_fields(product=product, fields=["brand"], by=admin_user)

    assert _current_value(product, "brand") == "Theirs"
    assert not ReviewItem.objects.filter(closed_at=None).exists()


def test_locking_without_correction_locks_the_current_value(admin_user: User) -> None:
    product = _import_product()

    lock_fields(
        products=Product.objects.all(), fields=["name"], by=admin_user, reason="", review_by=None
    )

    import_listings(make_listing(name="Other"))
    assert _current_value(product, "name") == "Pink Kush"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"thc_percentage_high": 120}, "thc_percentage_high"),
        ({"thc_percentage_low": 30, "thc_percentage_high": 20}, "thc_percentage_low"),
        ({"thc_percentage_low": 27}, "thc_percentage_low"),
        ({"price": -1}, "price"),
        ({"price": "dear"}, "price"),
        ({"name": ""}, "name"),
        ({"name": "Pink\nKush"}, "name"),
        ({"brand": "Ace\tValley"}, "brand"),
        ({"lineage": ["OG Kush", "Chem\r\nDawg"]}, "lineage"),
        ({"category": "sweets"}, "category"),
        ({"merge_key": "x"}, "merge_key"),
    ],
)
def test_invalid_values_are_refused_and_nothing_is_written(
    admin_user: User, values: dict[str, Any], field: str
) -> None:
    product = _import_product()

    with pytest.raises(BadInput) as refused:
        correct_products(changes={product.pk: values}, by=admin_user)

    assert refused.value.field == field
    assert not ProductLock.objects.exists()
    assert not Operation.objects.filter(actor=admin_user).exists()


def test_middle_of_a_range_follows_its_corrected_ends(admin_user: User) -> None:
    product = _import_product()

    _correct(product, admin_user, thc_percentage_high=Decimal(30))
    assert _current_value(product, "thc_percentage") == Decimal(25)

    _correct(product, admin_user)
    import_listings(make_listing(thc=Potency(low=Decimal(10), high=Decimal(12), unit="percent")))
    assert _current_value(product, "thc_percentage") == Decimal(25)
    assert _current_value(product, "thc_percentage_high") == Decimal(30)


def test_history_records_values_actor_and_reason(admin_user: User) -> None:
    product = _import_product()

    operation = _correct(product, admin_user, brand="Ours", lineage=["A, B", 'C"'])

    change = RowChange.objects.get(table_name="products", action="update")
    assert change.row_id == product.pk
    assert change.before["brand"] == "San Rafael '71"
    assert change.after["brand"] == "Ours"
    assert change.operation == operation
    assert operation.actor == admin_user
    assert operation.reason == "read the label"


def _import_many(count: int) -> list[Product]:
    import_listings(
        *(make_listing(external_id=str(number), name=f"Kush {number}") for number in range(count))
    )
    return list(Product.objects.order_by("merge_key"))


def test_bulk_edit_of_5000_products_is_undone(admin_user: User) -> None:
    products = _import_many(5_000)
    before = _all_products()
    lock_fields(
        products=Product.objects.filter(pk=products[0].pk),
        fields=["brand"],
        by=admin_user,
        reason="",
        review_by=None,
    )
    lock_before = ProductLock.objects.values_list("pk", "source_values", "reason").get()
    values = {"brand": "Redecan", "terpenes": ["limonene"], "price": Decimal(9)}

    result = correct_products(
        changes={p.pk: values for p in products},
        by=admin_user,
        kind=Operation.Kind.BULK_EDIT,
        override_locks=True,
    )
    assert len(result.changed) == 5_000
    assert Product.objects.filter(brand="Redecan", terpenes=["limonene"]).count() == 5_000

    assert result.operation
    undo_operation(original=result.operation, by=admin_user)
    assert _all_products() == before
    assert ProductLock.objects.values_list("pk", "source_values", "reason").get() == lock_before
    with pytest.raises(UndoRefused, match="already"):
        undo_operation(original=result.operation, by=admin_user)


def test_undo_is_refused_and_lists_the_fields_edited_since(admin_user: User) -> None:
    products = _import_many(3)
    operation = correct_products(
        changes={p.pk: {"brand": "X", "price": 9} for p in products}, by=admin_user
    ).operation
    assert operation
    correct_products(changes={products[1].pk: {"brand": "Y"}}, by=admin_user, override_locks=True)
    correct_products(changes={products[2].pk: {"price": 9}}, by=admin_user, override_locks=True)

    with pytest.raises(UndoRefused) as refused:
        undo_operation(original=operation, by=admin_user)

    conflicts = {
        (c.product_id, c.field, c.value_after_operation, c.current_value)
        for c in refused.value.conflicts
    }
    assert conflicts == {
        (products[1].pk, "brand", "X", "Y"),
        (products[2].pk, "price", "9.00", "9.00"),
    }
    assert set(Product.objects.values_list("brand", flat=True)) == {"X", "Y"}


def test_undo_can_be_undone(admin_user: User) -> None:
    product = _import_product()
    operation = _correct(product, admin_user, brand="Ours")

    undo = undo_operation(original=operation, by=admin_user)
    assert _current_value(product, "brand") == "San Rafael '71"

    undo_operation(original=undo, by=admin_user)
    assert _current_value(product, "brand") == "Ours"
    assert ProductLock.objects.get().field == "brand"


def test_undo_of_a_creation_deletes_the_product(admin_user: User) -> None:
    create_product(values={"name": "Own"}, by=admin_user)

    undo_operation(original=Operation.objects.get(), by=admin_user)

    assert not Product.objects.exists()


def test_undo_of_a_merge_unmerges_and_cannot_be_undone(admin_user: User) -> None:
    left = _import_product()
    right = _import_product(source="aglc", external_id="2")
    merge_pair(left=left, right=right, by=admin_user)

    undo_operation(original=Operation.objects.get(kind="merge"), by=admin_user)

    assert Product.objects.current().count() == 2
    with pytest.raises(UndoRefused, match="Merge the two products again"):
        undo_operation(original=Operation.objects.get(kind="undo"), by=admin_user)


def test_triggers_record_changes_outside_an_operation(admin_user: User) -> None:
    product = _import_product()

    with connection.cursor() as cursor:
        cursor.execute("UPDATE products SET brand = 'Hand' WHERE id = %s", [product.pk])

    assert RowChange.objects.filter(operation=None, after={"brand": "Hand"}).count() == 1
