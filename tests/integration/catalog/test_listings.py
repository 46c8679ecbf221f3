"""Saving listings: only changes are written, duplicates resolved, missing values erase nothing."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from catalog.ingest.records import CleanListing
from catalog.models import Product, SupplierListing
from catalog.services.corrections import correct_products
from catalog.services.listings import save_listings, source_checksum
from catalog.services.merging import update_search_documents
from mlops.models import OutboxEvent, RowChange
from mlops.pipelines.definitions import SaveCounts

pytestmark = pytest.mark.django_db(transaction=True)


def _listing(**facts: Any) -> CleanListing:
    known: dict[str, Any] = {
        "source": "ocs",
        "external_id": "1",
        "language": "en",
        "merge_key": "gtin:1",
        "name": "Pink Kush",
        "raw_name": "Pink Kush",
        "brand": "San Rafael",
        "producer": None,
        "sku": "1",
        "gtin": None,
        "category": "dried_flower",
        "strain_type": "indica",
        "thc": None,
        "cbd": None,
        "weight_grams": Decimal("3.5"),
        "unit_count": None,
        "price": Decimal("29.95"),
        "price_kind": "retail",
        "url": None,
        "terpenes": ("myrcene",),
    }
    return CleanListing(**{**known, **facts})


def test_only_new_and_changed_listings_are_written_and_counted() -> None:
    listings = [_listing(external_id=str(n), merge_key=f"k{n}") for n in range(3)]

    assert save_listings(listings=listings, run=None) == SaveCounts(new=3)

    before = {row.external_id: (row.updated_at, row.pk) for row in SupplierListing.objects.all()}
    listings[1] = replace(listings[1], price=Decimal(31))
    listings.append(_listing(external_id="3", merge_key="k3"))

    assert save_listings(listings=listings, run=None) == SaveCounts(new=1, changed=1, unchanged=2)

    after = {row.external_id: (row.updated_at, row.pk) for row in SupplierListing.objects.all()}

    assert after["0"] == before["0"]
    assert after["1"][0] > before["1"][0]
    assert after["1"][1] == before["1"][1]
    assert SupplierListing.objects.get(external_id="1").price == 31


def test_duplicates_in_a_batch_are_resolved_independently_of_order() -> None:
    pair = [_listing(price=Decimal(1)), _listing(price=Decimal(2))]

    assert save_listings(listings=pair, run=None) == SaveCounts(new=1)

    checksum = source_checksum("ocs")

    assert save_listings(listings=pair[::-1], run=None) == SaveCounts(unchanged=1)
    assert source_checksum("ocs") == checksum


def test_same_id_of_another_source_or_language_is_another_listing() -> None:
    three = [_listing(), _listing(language="fr", name="Kush rose"), _listing(source="sqdc")]

    assert save_listings(listings=three, run=None) == SaveCounts(new=3)

    product = Product.objects.get()

    assert (product.name, product.name_fr) == ("Pink Kush", "Kush rose")


def test_missing_values_of_a_source_erase_nothing() -> None:
    save_listings(listings=[_listing()], run=None)

    assert (
        save_listings(
            listings=[_listing(brand=None, terpenes=(), strain_type=None)], run=None
        ).changed
        == 1
    )

    product = Product.objects.get()

    assert (product.brand, product.terpenes, product.strain_type) == (
        "San Rafael",
        ["myrcene"],
        "indica",
    )


def test_renamed_product_keeps_its_id_and_is_found_by_its_new_name() -> None:
    save_listings(listings=[_listing()], run=None)
    before = Product.objects.get().pk
    save_listings(listings=[_listing(name="Rosé Élan")], run=None)

    assert Product.objects.get(search_document="elan").pk == before
    assert not Product.objects.filter(search_document="pink").exists()


def test_a_new_product_has_the_search_document_of_its_values() -> None:
    save_listings(listings=[_listing(), _listing(language="fr", name="Élan rose")], run=None)

    product = Product.objects.get(search_document="elan")
    assert product.search_document == _computed_document(product)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"name": "Blue Dream"}, "dream"),
        ({"brand": "Broken Coast"}, "coast"),
        ({"strain_type": "sativa"}, "sativa"),
        ({"category": "vapes"}, "vapoteuse"),
        ({"sku": "7788"}, "7788"),
        ({"terpenes": ("limonene",)}, "limonene"),
        ({"strain": "Gorilla Glue"}, "gorilla"),
        ({"lineage": ("Chemdawg",)}, "chemdawg"),
        ({"gtin": "00628634000017"}, "00628634000017"),
    ],
)
def test_a_changed_fact_is_found_by_its_new_word(facts: dict[str, Any], word: str) -> None:
    save_listings(listings=[_listing()], run=None)
    assert not Product.objects.filter(search_document=word).exists()

    save_listings(listings=[_listing(**facts)], run=None)

    product = Product.objects.get(search_document=word)
    assert product.search_document == _computed_document(product)


def test_a_changed_price_leaves_the_search_document() -> None:
    save_listings(listings=[_listing()], run=None)
    document = Product.objects.get().search_document

    save_listings(listings=[_listing(price=Decimal(31))], run=None)

    product = Product.objects.get()
    assert (product.price, product.search_document) == (Decimal(31), document)


def test_a_locked_name_stays_in_the_search_document(admin_user: User) -> None:
    save_listings(listings=[_listing()], run=None)
    correct_products(changes={Product.objects.get().pk: {"name": "Golden Kush"}}, by=admin_user)

    save_listings(listings=[_listing(name="Blue Dream", brand="Broken Coast")], run=None)

    product = Product.objects.get(search_document="coast")
    assert product == Product.objects.get(search_document="golden")
    assert not Product.objects.filter(search_document="dream").exists()


def test_an_update_of_many_products_is_as_quick_after_one_of_a_single_product() -> None:
    # PL/pgSQL keeps the plan that its triggers had at the first update of the connection.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO products (merge_key, name)"
            " SELECT 'many:' || n, 'Pink Kush ' || n FROM generate_series(1, 6000) n"
        )
        cursor.execute("DISCARD PLANS")
        cursor.execute("UPDATE products SET price = 1 WHERE merge_key = 'many:1'")
        cursor.execute("SET statement_timeout = '5s'")
        try:
            cursor.execute("UPDATE products SET price = 2")
        finally:
            cursor.execute("RESET statement_timeout")

    assert RowChange.objects.filter(action="update").count() == 6001
    assert OutboxEvent.objects.filter(topic="price_changes").count() == 6001


def _computed_document(product: Product) -> str:
    """Return the search document that the values of a product give."""
    with connection.cursor() as cursor:
        update_search_documents(cursor, [product.merge_key])
    return str(Product.objects.values_list("search_document", flat=True).get(pk=product.pk))


def test_saving_no_listings_does_nothing() -> None:
    assert save_listings(listings=[], run=None) == SaveCounts()


def test_measured_terpenes_precede_stated_ones_and_stated_ones_the_strain_mean() -> None:
    mean = _listing(source="aglc", terpenes=("pinene",), terpene_source="strain_mean")
    claim = _listing(source="ocs", terpenes=("myrcene",), terpene_source="supplier")
    measured = _listing(source="zlab", terpenes=("limonene",), terpene_source="measured")
    for listings, expected in (
        ([mean], "pinene"),
        ([mean, claim], "myrcene"),
        ([mean, claim, measured], "limonene"),
    ):
        save_listings(listings=listings, run=None)
        product = Product.objects.get()
        basis = {"pinene": "strain_mean", "myrcene": "supplier", "limonene": "measured"}[expected]
        assert (product.terpenes, product.terpene_source) == ([expected], basis)
