"""Duplicate products: matching, merging, verdicts of staff, and unmerging to the previous state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.forms.models import model_to_dict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.ingest.records import CleanListing, Potency
from catalog.matching import algorithm_version
from catalog.matching.model import match_model
from catalog.models import MatchDecision, Product, ProductAlias, StoreStock
from catalog.selectors.listings import listings_with_origin
from catalog.selectors.products import product_ids_by_reference
from catalog.services.duplicates import (
    MergeRefused,
    apply_verdict,
    dry_run_matching,
    match_products,
    merge_pair,
    unmerge,
)
from catalog.services.listings import save_listings
from catalog.services.stock import StockCount, save_stock_counts
from config.api.keys import ApiKey
from tests.factories.catalog import StoreFactory

pytestmark = pytest.mark.django_db(transaction=True)
Verdict = MatchDecision.Verdict


def _listing(source: str, external_id: str, **facts: Any) -> CleanListing:
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
    return CleanListing(**{**known, **facts})


def _save(*listings: CleanListing) -> None:
    save_listings(listings=list(listings), run=None)


def _product_fields(product: Product) -> dict[str, Any]:
    product.refresh_from_db()
    return {
        name: value
        for name, value in model_to_dict(product).items()
        if name not in ("updated_at", "search_document")
    } | {"document": Product.objects.values_list("search_document").get(pk=product.pk)[0]}


def _pair(**facts: Any) -> tuple[Product, Product]:
    _save(_listing("ocs", "1", gtin="00628110000129", merge_key="gtin:00628110000129"))
    _save(_listing("aglc", "2", **facts))
    products = {p.source: p for p in Product.objects.all()}
    return products["ocs"], products["aglc"]


def test_same_brand_name_and_pack_merge_into_one_product_with_the_fields_of_both() -> None:
    ocs, aglc = _pair(name="pink  kush", brand="San Rafael ’71", lineage=("Bubba Kush", "OG Kush"))

    assert match_products().merged == 1

    aglc.refresh_from_db()
    ocs.refresh_from_db()

    assert aglc.merged_into == ocs
    assert ocs.lineage == ["Bubba Kush", "OG Kush"]
    assert {listing.source for listing, _ in listings_with_origin(product=ocs)} == {"ocs", "aglc"}
    assert match_products().compared == 0

    decision = MatchDecision.objects.get()

    assert (decision.verdict, decision.decided_by, decision.algorithm) == (
        Verdict.SAME,
        None,
        algorithm_version(),
    )


def test_sync_of_a_merged_listing_changes_only_the_survivor() -> None:
    ocs, aglc = _pair()
    match_products()
    before = _product_fields(aglc)
    _save(_listing("aglc", "2", lineage=("Bubba Kush",)))

    assert _product_fields(aglc) == before

    ocs.refresh_from_db()

    assert ocs.lineage == ["Bubba Kush"]
    assert Product.objects.count() == 2


def test_unmerging_restores_both_products_and_prevents_a_new_merge(admin_user: User) -> None:
    ocs, aglc = _pair(lineage=("Bubba Kush",), strain="Pink Kush", terpenes=("myrcene",))
    before = {p.pk: _product_fields(p) for p in (ocs, aglc)}
    match_products()

    assert _product_fields(ocs)["lineage"] == ["Bubba Kush"]

    aglc.refresh_from_db()
    unmerge(product=aglc, by=admin_user)
    for product in (ocs, aglc):
        matching_columns = {"matched_with", "match_block"}
        after = _product_fields(product)
        assert {k: v for k, v in after.items() if k not in matching_columns} == {
            k: v for k, v in before[product.pk].items() if k not in matching_columns
        }
    _save(_listing("aglc", "2", price=Decimal(31), name="PINK KUSH"))

    assert match_products().merged == 0
    assert MatchDecision.objects.get().decided_by == admin_user
    assert not ProductAlias.objects.exists()


def _stock_by_store(product: Product) -> dict[str, int]:
    return dict(StoreStock.objects.filter(product=product).values_list("store__code", "quantity"))


def test_survivor_takes_stock_counts_of_the_loser_where_it_has_none_until_unmerged(
    admin_user: User, django_capture_on_commit_callbacks: Any
) -> None:
    ocs, aglc = _pair()
    at = datetime(2026, 11, 1, tzinfo=UTC)
    stores = {name: StoreFactory.create(code=name) for name in ("only", "both", "since")}
    save_stock_counts([StockCount(store.pk, aglc.pk, 3, at) for store in stores.values()])
    save_stock_counts([StockCount(stores["both"].pk, ocs.pk, 3, at)])
    with django_capture_on_commit_callbacks(execute=True):
        merge_pair(left=ocs, right=aglc, by=admin_user)

    assert _stock_by_store(ocs) == {"only": 3, "both": 3, "since": 3}

    save_stock_counts([StockCount(stores["since"].pk, ocs.pk, 2, at + timedelta(hours=2))])
    aglc.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        unmerge(product=aglc, by=admin_user)

    assert _stock_by_store(ocs) == {"both": 3, "since": 2}
    assert _stock_by_store(aglc) == {"only": 3, "both": 3, "since": 3}


def test_unmerging_one_of_two_losers_keeps_stock_counts_copied_from_the_other(
    admin_user: User, django_capture_on_commit_callbacks: Any
) -> None:
    names = ("Survivor", "First", "Second")
    _save(
        _listing("ocs", "1", name=names[0], gtin="00628110000129", merge_key="gtin:00628110000129")
    )
    _save(_listing("aglc", "2", name=names[1]), _listing("sqdc", "3", name=names[2]))
    survivor, first, second = (Product.objects.get(name=name) for name in names)
    store = StoreFactory.create(code="only")
    at = datetime(2026, 11, 1, tzinfo=UTC)
    save_stock_counts(
        [
            StockCount(store.pk, first.pk, 3, at),
            StockCount(store.pk, second.pk, 6, at + timedelta(hours=1)),
        ]
    )
    with django_capture_on_commit_callbacks(execute=True):
        for loser in (first, second):
            merge_pair(left=survivor, right=loser, by=admin_user)
    before = _stock_by_store(survivor)
    with django_capture_on_commit_callbacks(execute=True):
        unmerge(product=Product.objects.get(pk=second.pk), by=admin_user)

    assert before == {"only": 3}
    assert _stock_by_store(survivor) == before


def test_listing_changes_during_a_merge_survive_unmerging(admin_user: User) -> None:
    _, aglc = _pair()
    match_products()
    _save(_listing("aglc", "2", strain_type="hybrid"))
    aglc.refresh_from_db()
    unmerge(product=aglc, by=admin_user)
    aglc.refresh_from_db()

    assert aglc.strain_type == "hybrid"


@pytest.mark.parametrize(
    ("facts", "for_review"),
    [
        ({"weight_grams": Decimal(7)}, 0),
        ({"brand": "Good Supply"}, 0),
        ({"name": "Pink Kush CBD"}, 0),
        ({"gtin": "00628110000136", "merge_key": "gtin:00628110000136"}, 0),
        ({"strain_type": "sativa"}, 1),
        ({"thc": Potency(low=Decimal(5), high=Decimal(9), unit="percent")}, 1),
        ({"weight_grams": None}, 1),
    ],
)
def test_different_products_stay_apart_and_uncertain_ones_are_put_up_for_review(
    facts: dict[str, Any], for_review: int
) -> None:
    _pair(**facts)
    result = match_products()

    assert (result.merged, result.for_review) == (0, for_review)
    assert match_products().for_review == 0


def test_ambiguous_matches_are_put_up_for_review() -> None:
    _pair()
    _save(_listing("ocs", "3", gtin="00628110000136", merge_key="gtin:00628110000136"))
    result = match_products()

    assert (result.merged, result.for_review) == (0, 2)


def test_several_duplicates_merge_into_one_product() -> None:
    _save(*(_listing("kushy", str(n), weight_grams=None) for n in range(5)))

    assert match_products().merged == 4
    assert Product.objects.current().count() == 1
    assert MatchDecision.objects.exclude(verdict=Verdict.SAME).count() == 0


def test_chained_merges_point_to_the_last_survivor_and_are_undone_in_order(
    admin_user: User,
) -> None:
    _save(
        *(_listing("kushy", str(n), name=name) for n, name in enumerate(("Alpha", "Beta", "Gamma")))
    )
    alpha, beta, gamma = Product.objects.order_by("name")
    first = merge_pair(left=alpha, right=beta, by=admin_user)
    survivor, loser = (
        (alpha, beta)
        if ProductAlias.objects.get().product_key == alpha.merge_key
        else (beta, alpha)
    )
    _save(
        _listing("ocs", "9", name="Delta", gtin="00628110000129", merge_key="gtin:00628110000129")
    )
    delta = Product.objects.get(name="Delta")
    survivor.refresh_from_db()
    merge_pair(left=survivor, right=delta, by=admin_user)

    assert set(ProductAlias.objects.values_list("product_key", flat=True)) == {delta.merge_key}
    assert len(listings_with_origin(product=delta)) == 3
    with pytest.raises(MergeRefused, match="already"):
        merge_pair(left=gamma, right=Product.objects.get(pk=loser.pk), by=admin_user)

    unmerge(product=Product.objects.get(pk=survivor.pk), by=admin_user)

    assert ProductAlias.objects.get().product_key == survivor.merge_key
    assert Product.objects.get(pk=loser.pk).merged_into == survivor

    apply_verdict(decision=first, verdict=Verdict.DIFFERENT, by=admin_user)

    assert Product.objects.current().count() == 4


def test_dry_run_of_matching_writes_nothing() -> None:
    _pair()

    assert dry_run_matching().merged == 1
    assert not MatchDecision.objects.exists()
    assert Product.objects.current().count() == 2


def test_merged_product_is_not_listed_and_its_id_returns_the_survivor() -> None:
    ocs, aglc = _pair()
    match_products()
    _, secret = ApiKey.objects.create_key(name="t", audience="staff", scopes=["catalog:read"])
    headers = {"HTTP_AUTHORIZATION": f"Api-Key {secret}"}
    listed = Client().get("/api/v1/products/", **headers).json()  # type: ignore[arg-type]  # headers

    assert [p["id"] for p in listed["results"]] == [str(ocs.pk)]
    assert Client().get(f"/api/v1/products/{aglc.pk}/", **headers).json()["id"] == str(ocs.pk)  # type: ignore[arg-type]


def _asks_for_confirmation(response: Any) -> bool:
    templates = {str(template.name) for template in response.templates}
    pages = {f"admin/catalog/matchdecision/{page}.html" for page in ("confirm", "merge")}
    return bool(pages & templates)


def test_staff_decide_in_the_console_after_confirming(admin_client: Client) -> None:
    ocs, aglc = _pair(strain_type="sativa")
    match_products()
    decision = MatchDecision.objects.get()
    page = reverse("admin:catalog_matchdecision_changelist")
    shown = admin_client.get(page).content.decode()

    assert "other strain type" in shown
    assert all(reverse("admin:catalog_product_change", args=[p.pk]) in shown for p in (ocs, aglc))

    form = {"action": "merge", "_selected_action": [decision.pk]}

    assert _asks_for_confirmation(admin_client.post(page, form))
    assert Product.objects.current().count() == 2

    admin_client.post(page, {**form, "confirmed": "yes"})
    aglc.refresh_from_db()

    assert aglc.merged_into == ocs
    assert not _asks_for_confirmation(admin_client.get(page))

    unmerge_page = reverse("admin:catalog_product_unmerge", args=[aglc.pk])

    assert _asks_for_confirmation(admin_client.get(unmerge_page))

    admin_client.post(unmerge_page, {"confirmed": "yes"})

    assert Product.objects.current().count() == 2


def test_two_products_are_merged_from_the_product_list(admin_client: Client) -> None:
    pair = _pair(name="Rose Kush")
    page = reverse("admin:catalog_product_changelist")
    form: dict[str, Any] = {"action": "merge_two", "_selected_action": [p.pk for p in pair]}
    admin_client.post(page, {**form, "_selected_action": [pair[0].pk]})

    assert _asks_for_confirmation(admin_client.post(page, form))

    admin_client.post(page, {**form, "confirmed": "yes"})

    assert Product.objects.current().count() == 1
    assert MatchDecision.objects.get().verdict == Verdict.SAME


def test_staff_without_permission_cannot_decide(client: Client, django_user_model: Any) -> None:
    _, aglc = _pair()
    reader = django_user_model.objects.create_user("reader", is_staff=True)
    client.force_login(reader)

    assert client.get(reverse("admin:catalog_product_unmerge", args=[aglc.pk])).status_code == 403
    assert client.get(reverse("admin:catalog_matchdecision_changelist")).status_code == 403


def test_other_doses_in_names_are_other_products() -> None:
    doses = ("100mg", "250mg", "500mg")
    _save(
        *(
            _listing("kushy", dose, name="Lemon Bar", weight_grams=None, measures=(dose,), thc=None)
            for dose in doses
        )
    )
    result = match_products()

    assert (result.merged, result.for_review) == (0, 0)


def test_list_of_pairs_shows_both_products_of_each_pair(admin_client: Client) -> None:
    _save(*(_listing("kushy", str(n), weight_grams=None) for n in range(3)))
    match_products()
    page = admin_client.get(
        reverse("admin:catalog_matchdecision_changelist"), {"verdict": "same"}
    ).content.decode()
    for product in Product.objects.all():
        assert reverse("admin:catalog_product_change", args=[product.pk]) in page


def _unmatched_fields(product: Product) -> dict[str, Any]:
    matching_columns = {"matched_with", "match_block"}
    return {
        name: value
        for name, value in _product_fields(product).items()
        if name not in matching_columns
    }


def test_merges_can_be_undone_in_any_order(admin_user: User) -> None:
    _save(
        _listing(
            "ocs", "1", name="Survivor", gtin="00628110000129", merge_key="gtin:00628110000129"
        )
    )
    _save(_listing("aglc", "2", name="First", terpenes=("myrcene",), lineage=("Bubba Kush",)))
    _save(_listing("sqdc", "3", name="Second"))
    survivor, first, second = (
        Product.objects.get(name=name) for name in ("Survivor", "First", "Second")
    )
    before = [_unmatched_fields(product) for product in (survivor, first, second)]
    for loser in (first, second):
        merge_pair(left=survivor, right=loser, by=admin_user)
    for loser in (first, second):
        unmerge(product=Product.objects.get(pk=loser.pk), by=admin_user)

    assert [_unmatched_fields(product) for product in (survivor, first, second)] == before


def test_unmerging_a_nested_merge_keeps_the_outer_one(admin_user: User) -> None:
    _save(_listing("kushy", "1", name="Below"), _listing("kushy", "2", name="Lowest"))
    _save(
        _listing("ocs", "9", name="Above", gtin="00628110000129", merge_key="gtin:00628110000129")
    )
    lowest, below, above = (Product.objects.get(name=name) for name in ("Lowest", "Below", "Above"))
    before = [_unmatched_fields(product) for product in (lowest, below, above)]
    merge_pair(left=lowest, right=below, by=admin_user)
    upper, lower = (
        (below, lowest)
        if ProductAlias.objects.get().product_key == below.merge_key
        else (lowest, below)
    )
    merge_pair(left=Product.objects.get(pk=upper.pk), right=above, by=admin_user)
    unmerge(product=Product.objects.get(pk=lower.pk), by=admin_user)

    assert Product.objects.get(pk=lower.pk).merged_into is None
    assert Product.objects.get(pk=upper.pk).merged_into == above

    unmerge(product=Product.objects.get(pk=upper.pk), by=admin_user)

    assert [_unmatched_fields(product) for product in (lowest, below, above)] == before


def test_products_decided_as_different_are_not_merged_through_a_third(admin_user: User) -> None:
    _save(_listing("kushy", "1"), _listing("aglc", "2", strain_type="sativa"))
    match_products()
    apply_verdict(decision=MatchDecision.objects.get(), verdict=Verdict.DIFFERENT, by=admin_user)
    _save(_listing("abc", "9", gtin="00628110000129", merge_key="gtin:00628110000129"))
    aglc, third = Product.objects.get(source="aglc"), Product.objects.get(source="abc")
    merge_pair(left=aglc, right=third, by=admin_user)

    assert match_products().merged == 0
    assert Product.objects.get(source="kushy").merged_into is None


def test_merged_listing_that_becomes_another_product_is_unmerged() -> None:
    ocs, aglc = _pair()
    match_products()
    _save(_listing("aglc", "2", name="Rose Kush", weight_grams=Decimal(28)))
    match_products()
    ocs.refresh_from_db()
    aglc.refresh_from_db()

    assert (ocs.name, aglc.name, aglc.merged_into) == ("Pink Kush", "Rose Kush", None)
    assert not MatchDecision.objects.exists()


def test_automatic_merges_of_an_older_version_are_revised(monkeypatch: pytest.MonkeyPatch) -> None:
    _, aglc = _pair()
    match_products()
    monkeypatch.setattr("catalog.services.duplicates.algorithm_version", lambda: "match-next")

    assert match_products().merged == 0
    assert MatchDecision.objects.get().algorithm == "match-next"

    monkeypatch.setattr("catalog.services.duplicates.algorithm_version", lambda: "match-stricter")
    stricter = replace(match_model(), same=1.1)
    monkeypatch.setattr("catalog.matching.bands.match_model", lambda: stricter)

    assert match_products().for_review == 1

    aglc.refresh_from_db()

    assert aglc.merged_into is None


def test_merges_by_staff_survive_new_versions_and_changes(
    admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ocs, aglc = _pair(name="Rose Kush")
    merge_pair(left=ocs, right=aglc, by=admin_user)
    monkeypatch.setattr("catalog.services.duplicates.algorithm_version", lambda: "match-next")
    _save(_listing("aglc", "2", name="Rosé Kush No 2"))
    match_products()
    aglc.refresh_from_db()

    assert aglc.merged_into == ocs


def test_obsolete_reviews_are_deleted() -> None:
    _pair(strain_type="sativa")

    assert match_products().for_review == 1

    _save(_listing("sqdc", "3", strain_type="sativa"))  # the same as the second
    match_products()
    current = set(Product.objects.current().values_list("merge_key", flat=True))
    for decision in MatchDecision.objects.filter(verdict=Verdict.OPEN):
        assert {decision.left_key, decision.right_key} <= current
    _save(_listing("aglc", "2", name="Rose Kush"), _listing("sqdc", "3", name="Lemon Kush"))
    match_products()

    assert not MatchDecision.objects.filter(verdict=Verdict.OPEN).exists()


def test_two_merges_by_staff_across_brands_teach_an_alias(admin_user: User) -> None:
    names = ("Alpha Kush", "Beta Haze", "Gamma Mint")
    for number, name in enumerate(names):
        _save(_listing("ocs", f"o{number}", name=name, brand="Sunny Valley"))
        _save(_listing("aglc", f"a{number}", name=name, brand="Borealis"))
    products = {(p.name, p.brand): p for p in Product.objects.all()}

    assert match_products().merged == 0

    for name in names[:2]:
        merge_pair(
            left=products[name, "Sunny Valley"], right=products[name, "Borealis"], by=admin_user
        )
    Product.objects.update(matched_with="")

    assert match_products().merged == 1


GTIN = "00628110000129"


def _contested_pair() -> None:
    _save(_listing("ocs", "1", gtin=GTIN, merge_key=f"gtin:{GTIN}"))
    _save(_gummies())


def _gummies(**facts: Any) -> CleanListing:
    values = {
        "name": "Mango Gummies",
        "raw_name": "Mango Gummies",
        "category": "edibles",
        "weight_grams": None,
        "unit_count": 10,
        "thc": None,
        "gtin": GTIN,
        "merge_key": f"gtin:{GTIN}",
    }
    return _listing("aglc", "2", **{**values, **facts})


def test_an_identifier_is_checked_before_it_identifies_unlike_products_of_two_suppliers() -> None:
    _contested_pair()
    products = {product.source: product for product in Product.objects.current()}

    result = match_products()

    assert (products["ocs"].name, products["aglc"].name) == ("Pink Kush", "Mango Gummies")
    assert (result.merged, result.for_review) == (0, 1)
    decision = MatchDecision.objects.get()
    assert decision.reasons == ["same GTIN", "other category"]
    assert decision.verdict == Verdict.OPEN


def test_listing_of_a_contested_gtin_stays_separate_in_the_next_sync() -> None:
    _contested_pair()
    match_products()

    _save(_gummies(price=Decimal("9.95")))
    _save(_gummies(price=Decimal("9.95")))

    assert Product.objects.current().count() == 2
    assert Product.objects.get(source="ocs").category == "dried_flower"
    assert match_products().for_review == 0
    assert MatchDecision.objects.filter(verdict=Verdict.OPEN).count() == 1


def test_contested_gtin_means_the_product_that_had_it_first() -> None:
    _contested_pair()

    ids = product_ids_by_reference([GTIN])

    assert ids == {GTIN: Product.objects.get(source="ocs").pk}


def test_supplier_that_corrects_a_contested_listing_is_merged_by_its_gtin() -> None:
    _contested_pair()
    match_products()

    _save(_listing("aglc", "2", gtin=GTIN, merge_key=f"gtin:{GTIN}"))
    result = match_products()

    assert result.merged == 1
    assert Product.objects.current().count() == 1


def test_gtin_joins_listings_in_two_languages() -> None:
    _save(_listing("ocs", "1", gtin=GTIN, merge_key=f"gtin:{GTIN}"))
    french = {"name": "Kush rose", "language": "fr", "merge_key": f"gtin:{GTIN}", "gtin": GTIN}

    _save(_listing("sqdc", "2", **french))

    assert Product.objects.count() == 1


@pytest.mark.parametrize("new", ["without a brand", "of the brand"])
def test_product_without_a_brand_is_put_before_staff_with_the_brands_product(new: str) -> None:
    listings = [
        _listing("ocs", "1", name="Slurricane Breath"),
        _listing("aglc", "2", name="Slurricane Breath", brand=None),
    ]
    if new == "of the brand":
        listings.reverse()
    for listing in listings:
        _save(listing)
        match_products()

    assert MatchDecision.objects.get().verdict == Verdict.OPEN


@pytest.mark.parametrize("new", ["under a distributor", "of the brand"])
def test_product_under_a_distributor_meets_the_product_of_the_brand_it_mentions(new: str) -> None:
    listings = [
        _listing("ocs", "1"),
        _listing("aglc", "2", name="San Rafael '71 Pink Kush", brand="Borealis Distribution"),
    ]
    if new == "of the brand":
        listings.reverse()
    for listing in listings:
        _save(listing)
        match_products()

    assert MatchDecision.objects.count() == 1


def _duplicates(*names: str) -> None:
    for name in names:
        _save(_listing("ocs", f"o {name}", name=name), _listing("aglc", f"a {name}", name=name))


def test_matching_needs_few_queries_for_each_merged_pair() -> None:
    _duplicates("Alpha Kush", "Beta Haze")
    with CaptureQueriesContext(connection) as few:
        assert match_products().merged == 2
    _duplicates("Gamma Mint", "Delta Pie", "Epsilon Cake", "Zeta Punch")
    with CaptureQueriesContext(connection) as many:
        assert match_products().merged == 4

    assert len(many) - len(few) <= 2 * 7


def test_fields_of_three_duplicates_are_all_merged() -> None:
    _save(_listing("ocs", "1", gtin=GTIN, merge_key=f"gtin:{GTIN}"))
    _save(_listing("aglc", "2", lineage=("Bubba Kush",)), _listing("sqdc", "3", strain="Pink Kush"))

    assert match_products().merged == 2

    product = Product.objects.current().get()
    assert (product.lineage, product.strain) == (["Bubba Kush"], "Pink Kush")


def test_merge_by_a_product_line_survives_a_change_of_a_listing() -> None:
    lines = ("Snoogans", "Ice Wata", "Apple Drip")
    _save(*(_listing("ocs", name, name=f"Fresquita {name}") for name in lines))
    _save(_listing("aglc", "2", name="Snoogans"))
    assert match_products().merged == 1
    alias = ProductAlias.objects.get()

    _save(_listing("aglc", "2", name="Snoogans", lineage=("Bubba Kush",)))
    match_products()

    assert ProductAlias.objects.get().pk == alias.pk
