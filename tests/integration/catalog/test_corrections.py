"""A person's word on a field holds against every sync, import, client and merge; whole operations are taken back."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from catalog.ingest.records import CleanListing, Potency
from catalog.models import Product, ProductLock, ReviewItem
from catalog.services.corrections import (
    correct_products,
    create_product,
    lock_fields,
    set_products,
    take_theirs,
    unlock_fields,
)
from catalog.services.duplicates import merge_pair, unmerge
from catalog.services.listings import save_listings
from catalog.services.review_items import keep_ours
from catalog.services.undo import UndoRefused, undo
from config.errors import BadInput
from mlops.models import Operation, RowChange

pytestmark = pytest.mark.django_db(transaction=True)


def _listing(source: str = "ocs", external_id: str = "1", **facts: Any) -> CleanListing:
    known: dict[str, Any] = {
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
        "category": "dried-flower",
        "strain_type": "indica",
        "thc": Potency(low=Decimal(20), high=Decimal(26), unit="percent"),
        "cbd": None,
        "weight_grams": Decimal("3.5"),
        "pieces": None,
        "price": Decimal("29.95"),
        "price_kind": "retail",
        "url": None,
    }
    return CleanListing(**{**known, **facts})


def _save(*listings: CleanListing) -> None:
    save_listings(listings=list(listings), run=None)


def _product(**facts: Any) -> Product:
    _save(_listing(**facts))
    return Product.objects.get(
        merge_key=f"{facts.get('source', 'ocs')}:{facts.get('external_id', '1')}"
    )


def _corrected(product: Product, by: User, **values: Any) -> Operation:
    done = correct_products(changes={product.pk: values}, by=by, reason="read the label").operation
    assert done
    return done


def _now(product: Product, field: str) -> Any:
    return Product.objects.values_list(field, flat=True).get(pk=product.pk)


def test_same_import_leaves_a_locked_field_and_asks_nothing(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, strain_type="hybrid")
    _save(_listing())
    _save(_listing(price=Decimal(31)))
    assert _now(product, "strain_type") == "hybrid"
    assert _now(product, "price") == Decimal(31)
    assert not ReviewItem.objects.exists()


def test_changed_import_leaves_it_and_asks_once(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, strain_type="hybrid")
    for price in (30, 31, 32):
        _save(_listing(strain_type="sativa", price=Decimal(price)))
    assert _now(product, "strain_type") == "hybrid"
    item = ReviewItem.objects.get()
    assert (item.field, item.source, item.said_before, item.says_now) == (
        "strain_type",
        "ocs",
        "indica",
        "sativa",
    )


def test_empty_import_leaves_it_and_asks_nothing(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, strain_type="hybrid", terpenes=["limonene"])
    _save(_listing(strain_type=None, thc=None, price=None))
    assert _now(product, "strain_type") == "hybrid"
    assert _now(product, "thc_percentage_high") == Decimal(26)
    assert not ReviewItem.objects.exists()


def test_enrichment_leaves_locked_terpenes(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, terpenes=["limonene"])
    _save(
        _listing(
            terpenes=("myrcene",),
            terpene_basis="strain-mean",
            effects=("sleepy",),
            effects_basis="reported",
        )
    )
    product.refresh_from_db()
    assert (product.terpenes, product.terpene_basis, product.effects) == (
        ["limonene"],
        "staff",
        ["sleepy"],
    )


def test_other_people_and_clients_leave_it(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, strain_type="hybrid")
    imported = correct_products(
        changes={product.pk: {"strain_type": "sativa", "brand": "Other"}},
        by=admin_user,
        kind=Operation.Kind.IMPORT,
    )
    assert imported.kept == [(product.pk, "strain_type")]
    patched = set_products(
        changes={product.pk: {"strain_type": "sativa", "price": "12"}}, by=None, client="till"
    )
    assert patched.kept == [(product.pk, "strain_type")]
    product.refresh_from_db()
    assert (product.strain_type, product.brand, product.price) == ("hybrid", "Other", Decimal(12))


def test_the_database_itself_keeps_it(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, strain_type="hybrid")
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
    assert (_now(product, "strain_type"), _now(product, "name")) == ("hybrid", "Third")


def test_create_path_refuses_what_is_there(admin_user: User) -> None:
    product = create_product(
        values={"name": "Own", "gtin": "00628110000129", "price": "5"}, by=admin_user
    )
    with pytest.raises(BadInput, match="belongs to Own"):
        create_product(values={"name": "Else", "gtin": "00628110000129"}, by=admin_user)
    _save(_listing(merge_key="gtin:00628110000129", gtin="00628110000129"))
    assert (_now(product, "name"), _now(product, "price")) == ("Own", Decimal(5))
    assert Product.objects.count() == 1


def test_merge_brings_locks_along_and_unmerging_takes_them_back(admin_user: User) -> None:
    survivor, loser = (
        _product(merge_key="ocs:1", gtin="00628110000129"),
        _product(source="aglc", external_id="2"),
    )
    _corrected(survivor, admin_user, strain_type="hybrid")
    _corrected(loser, admin_user, strain_type="sativa", brand="Redecan")
    merge_pair(left=survivor, right=loser, by=admin_user)
    assert (_now(survivor, "strain_type"), _now(survivor, "brand")) == ("hybrid", "Redecan")
    assert not ReviewItem.objects.exists()
    _save(_listing(source="aglc", external_id="2", brand="Third"))
    assert _now(survivor, "brand") == "Redecan"
    assert ReviewItem.objects.get().says_now == "Third"
    unmerge(product=Product.objects.get(pk=loser.pk), by=admin_user)
    assert (_now(survivor, "brand"), _now(loser, "brand")) == ("San Rafael '71", "Redecan")
    assert set(ProductLock.objects.values_list("product", "field")) == {
        (survivor.pk, "strain_type"),
        (loser.pk, "strain_type"),
        (loser.pk, "brand"),
    }


def test_answer_keep_silences_that_value_only(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, strain_type="hybrid")
    _save(_listing(strain_type="sativa"))
    keep_ours(item=ReviewItem.objects.get(), by=admin_user)
    _save(_listing(strain_type="sativa", price=Decimal(3)))
    assert not ReviewItem.objects.filter(closed_at=None).exists()
    _save(_listing(strain_type="indica-dominant"))
    assert ReviewItem.objects.get(closed_at=None).says_now == "indica-dominant"


def test_answer_take_sets_theirs(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, brand="Ours")
    _save(_listing(brand="Theirs"))
    take_theirs(item=ReviewItem.objects.get(), by=admin_user)
    assert _now(product, "brand") == "Theirs"
    assert ReviewItem.objects.get().outcome == "taken"
    _save(_listing(brand="Theirs", price=Decimal(3)))
    assert not ReviewItem.objects.filter(closed_at=None).exists()


def test_source_that_goes_back_withdraws_its_question(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, brand="Ours")
    _save(_listing(brand="Theirs"))
    _save(_listing())
    assert ReviewItem.objects.get().outcome == "withdrawn"


def test_unlocking_lets_sources_speak_at_once(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, brand="Ours")
    _save(_listing(brand="Theirs"))
    unlock_fields(product=product, fields=["brand"], by=admin_user)
    assert _now(product, "brand") == "Theirs"
    assert not ReviewItem.objects.filter(closed_at=None).exists()


def test_locking_alone_holds_what_is_there(admin_user: User) -> None:
    product = _product()
    lock_fields(
        products=Product.objects.all(), fields=["name"], by=admin_user, reason="", review_by=None
    )
    _save(_listing(name="Other"))
    assert _now(product, "name") == "Pink Kush"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"thc_percentage_high": 120}, "thc_percentage_high"),
        ({"thc_percentage_low": 30, "thc_percentage_high": 20}, "thc_percentage_low"),
        ({"thc_percentage_low": 27}, "thc_percentage_low"),
        ({"price": -1}, "price"),
        ({"price": "dear"}, "price"),
        ({"name": ""}, "name"),
        ({"category": "sweets"}, "category"),
        ({"merge_key": "x"}, "merge_key"),
    ],
)
def test_wrong_values_are_refused_and_nothing_is_written(
    admin_user: User, values: dict[str, Any], field: str
) -> None:
    product = _product()
    with pytest.raises(BadInput) as refused:
        correct_products(changes={product.pk: values}, by=admin_user)
    assert refused.value.field == field
    assert not ProductLock.objects.exists()
    assert not Operation.objects.filter(actor=admin_user).exists()


def test_middle_follows_the_ends(admin_user: User) -> None:
    product = _product()
    _corrected(product, admin_user, thc_percentage_high=Decimal(30))
    assert _now(product, "thc_percentage") == Decimal(25)
    _corrected(product, admin_user)
    _save(_listing(thc=Potency(low=Decimal(10), high=Decimal(12), unit="percent")))
    assert (_now(product, "thc_percentage"), _now(product, "thc_percentage_high")) == (
        Decimal(25),
        Decimal(30),
    )


def test_history_tells_before_after_who_and_why(admin_user: User) -> None:
    product = _product()
    done = _corrected(product, admin_user, brand="Ours", lineage=["A, B", 'C"'])
    change = RowChange.objects.get(table_name="products", action="update")
    assert (change.row_id, change.before["brand"], change.after["brand"]) == (
        product.pk,
        "San Rafael '71",
        "Ours",
    )
    assert change.operation == done
    assert (done.actor, done.reason) == (admin_user, "read the label")


def _many(count: int) -> list[Product]:
    _save(*(_listing(external_id=str(number), name=f"Kush {number}") for number in range(count)))
    return list(Product.objects.order_by("merge_key"))


def test_bulk_edit_of_5000_is_undone(admin_user: User) -> None:
    products = _many(5_000)
    before = _all()
    lock_fields(
        products=Product.objects.filter(pk=products[0].pk),
        fields=["brand"],
        by=admin_user,
        reason="",
        review_by=None,
    )
    locked = ProductLock.objects.values_list("pk", "said", "reason").get()
    values = {"brand": "Redecan", "terpenes": ["limonene"], "price": Decimal(9)}
    done = correct_products(
        changes={p.pk: values for p in products},
        by=admin_user,
        kind=Operation.Kind.BULK_EDIT,
        override=True,
    )
    assert len(done.changed) == 5_000
    assert Product.objects.filter(brand="Redecan", terpenes=["limonene"]).count() == 5_000
    assert done.operation
    undo(done=done.operation, by=admin_user)
    assert _all() == before
    assert ProductLock.objects.values_list("pk", "said", "reason").get() == locked
    with pytest.raises(UndoRefused, match="already"):
        undo(done=done.operation, by=admin_user)


def test_undo_is_refused_with_the_list_where_somebody_wrote_since(admin_user: User) -> None:
    products = _many(3)
    done = correct_products(
        changes={p.pk: {"brand": "X", "price": 9} for p in products}, by=admin_user
    ).operation
    assert done
    correct_products(changes={products[1].pk: {"brand": "Y"}}, by=admin_user, override=True)
    correct_products(changes={products[2].pk: {"price": 9}}, by=admin_user, override=True)
    with pytest.raises(UndoRefused) as refused:
        undo(done=done, by=admin_user)
    told = {(e.product_id, e.field, e.left, e.now) for e in refused.value.edited}
    assert told == {(products[1].pk, "brand", "X", "Y"), (products[2].pk, "price", "9.00", "9.00")}
    assert set(Product.objects.values_list("brand", flat=True)) == {"X", "Y"}


def test_undoing_the_undo_brings_it_back(admin_user: User) -> None:
    product = _product()
    done = _corrected(product, admin_user, brand="Ours")
    undoing = undo(done=done, by=admin_user)
    assert _now(product, "brand") == "San Rafael '71"
    undo(done=undoing, by=admin_user)
    assert _now(product, "brand") == "Ours"
    assert ProductLock.objects.get().field == "brand"


def test_undoing_a_creation_deletes_it(admin_user: User) -> None:
    create_product(values={"name": "Own"}, by=admin_user)
    undo(done=Operation.objects.get(), by=admin_user)
    assert not Product.objects.exists()


def test_undoing_a_merge_takes_it_apart(admin_user: User) -> None:
    one, other = _product(), _product(source="aglc", external_id="2")
    merge_pair(left=one, right=other, by=admin_user)
    undo(done=Operation.objects.get(kind="merge"), by=admin_user)
    assert Product.objects.current().count() == 2
    with pytest.raises(UndoRefused, match="made one again"):
        undo(done=Operation.objects.get(kind="undo"), by=admin_user)


def test_undone_edit_is_noted_by_triggers_even_outside_an_operation(admin_user: User) -> None:
    product = _product()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE products SET brand = 'Hand' WHERE id = %s", [product.pk])
    assert RowChange.objects.filter(operation=None, after={"brand": "Hand"}).count() == 1


def _all() -> list[tuple[Any, ...]]:
    columns = [f.name for f in Product._meta.fields if f.name not in ("updated_at", "matched_with")]
    return list(Product.objects.order_by("pk").values_list(*columns))
