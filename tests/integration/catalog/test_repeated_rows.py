"""Lists in which identifiers stand on several rows: figures add up, nothing is mixed or lost."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from catalog.models import CatalogSource, Product, SupplierListing
from catalog.pipelines import LICENCES, SUPPLIER_PRODUCTS
from mlops.models import QuarantinedRecord, RepeatedRecord, Run
from mlops.pipelines.dry_run import dry_run_source
from mlops.pipelines.errors import FeedSuspicious
from mlops.pipelines.runner import run_source

pytestmark = pytest.mark.django_db(transaction=True)
COLUMNS = {
    "name": "Name",
    "category": "Category",
    "sku": "SKU",
    "gtin": "UPC",
    "size": "Size",
    "thc": "THC",
    "price": "Price",
}
HEADER = "Name,Category,SKU,UPC,Size,THC,Price"
FLOWER = "Pink Kush,Dried Flower,{sku},{upc},3.5 g,22%,29.95"
GUMMIES = "Mango Gummies,Edibles,{sku},{upc},2 x 5 mg,,9.95"
OTHERS = [f"Blue Dream {n},Dried Flower,B{n},,7 g,20%,{40 + n}.00" for n in range(7)]


def _run(*rows: str, header: str = HEADER, **mapping: Any) -> Run:
    """Run a list with these rows; the same code is the same list."""
    body = "\n".join([header, *rows, ""]).encode()
    name = default_storage.save("lists/north.csv", ContentFile(body))
    CatalogSource.objects.update_or_create(
        pk="north",
        defaults={
            "label": "North",
            "kind": "sheet",
            "file": name,
            "mapping": {"columns": COLUMNS, "id_columns": ["SKU"], **mapping},
            "max_gone_percent": 100,
            "max_price_jump_percent": 100,
        },
    )
    return run_source(SUPPLIER_PRODUCTS, code="north")


def _counts(run: Run) -> tuple[int, ...]:
    return (run.new, run.changed, run.unchanged, run.rejected, run.repeated)


def _adds_up(run: Run) -> bool:
    return run.read == sum(_counts(run))


def _reasons() -> list[str]:
    return list(QuarantinedRecord.objects.order_by("reason").values_list("reason", flat=True))


def test_t57_figures_add_up_and_are_stable_over_three_runs() -> None:
    rows = [
        *OTHERS,
        "Pink Kush,Dried Flower,A1,,3.5 g,22%,29.95",
        "Pink Kush,Dried Flower,A1,,3.5 g,25%,31.95",
    ]

    runs = [_run(*rows), _run(*rows), _run(*reversed(rows))]

    assert [_counts(run) for run in runs] == [(8, 0, 0, 1, 0), (0, 0, 8, 1, 0), (0, 0, 8, 1, 0)]
    assert all(run.read == 9 and _adds_up(run) for run in runs)
    assert SupplierListing.objects.get(sku="A1").flags == ["id_repeated"]
    assert any("the id A1 is repeated in the list with another price, thc" in r for r in _reasons())


def test_t57_equal_rows_are_counted_as_repeated() -> None:
    runs = [_run(*OTHERS, OTHERS[0], OTHERS[0]) for _ in range(2)]

    assert [_counts(run) for run in runs] == [(7, 0, 0, 0, 2), (0, 0, 7, 0, 2)]
    assert not QuarantinedRecord.objects.exists()


def test_t57_repeated_row_that_leaves_the_list_leaves_the_other() -> None:
    first = "Pink Kush,Dried Flower,A1,,3.5 g,22%,29.95"
    _run(*OTHERS, first, first.replace("29.95", "31.95"))

    run = _run(*OTHERS, first)

    assert (_adds_up(run), run.rejected) == (True, 0)
    listing = SupplierListing.objects.get(sku="A1")
    assert (listing.price, listing.flags) == (Decimal("29.95"), [])
    assert set(RepeatedRecord.objects.values_list("run", flat=True)) <= {run.pk}


@pytest.mark.parametrize("placeholder", ["N/A", "-", "6.28E+11"])
def test_t3_placeholder_as_sku_of_unlike_rows_is_as_many_products(placeholder: str) -> None:
    values = {"sku": placeholder, "upc": ""}

    run = _run(FLOWER.format(**values), GUMMIES.format(**values), id_columns=[])

    assert _counts(run) == (2, 0, 0, 0, 0)
    assert set(Product.objects.values_list("category", flat=True)) == {"dried_flower", "edibles"}
    assert Product.objects.count() == 2


@pytest.mark.parametrize("placeholder", ["N/A", "-", "6.28E+11"])
def test_t3_placeholder_as_id_is_rejected_with_the_reason(placeholder: str) -> None:
    run = _run(
        *OTHERS, FLOWER.format(sku=placeholder, upc=""), GUMMIES.format(sku=placeholder, upc="")
    )

    assert _counts(run) == (7, 0, 0, 2, 0)
    assert all(placeholder in reason for reason in _reasons())


def test_t3_id_of_unlike_rows_identifies_none_of_them() -> None:
    run = _run(*OTHERS, FLOWER.format(sku="A1", upc=""), GUMMIES.format(sku="A1", upc=""))

    assert _counts(run) == (7, 0, 0, 2, 0)
    assert not SupplierListing.objects.filter(external_id="A1").exists()
    assert "the id A1 stands on 2 rows of unlike products" in _reasons()[0]


def test_t3_sku_of_unlike_rows_does_not_merge_them() -> None:
    run = _run(FLOWER.format(sku="A1", upc=""), GUMMIES.format(sku="A1", upc=""), id_columns=[])

    assert _counts(run) == (2, 0, 0, 0, 0)
    listings = SupplierListing.objects.all()
    assert Product.objects.count() == 2
    assert {(row.sku, row.code_text, row.flags[-1]) for row in listings} == {
        (None, "A1", "sku_repeated")
    }


def test_class_f_gtin_of_unlike_rows_does_not_merge_them() -> None:
    upc = "628124825080"

    run = _run(*OTHERS, FLOWER.format(sku="A1", upc=upc), GUMMIES.format(sku="A2", upc=upc))

    assert _counts(run) == (9, 0, 0, 0, 0)
    rows = SupplierListing.objects.filter(sku__in=["A1", "A2"])
    assert {(row.gtin, row.flags[-1]) for row in rows} == {(None, "gtin_repeated")}
    assert len({row.merge_key for row in rows}) == 2


def test_t1_placeholder_code_on_three_products_is_three_products() -> None:
    upc = "000000000000"

    _run(
        FLOWER.format(sku="A1", upc=upc),
        FLOWER.format(sku="A2", upc=upc).replace("3.5 g", "7 g"),
        "Pink Kush,Pre-Rolled,A3," + upc + ",3 x 0.5 g,22%,19.95",
    )

    assert Product.objects.filter(merged_into=None).count() == 3
    assert set(SupplierListing.objects.values_list("code_text", flat=True)) == {upc}


def test_class_j_rows_by_lot_are_one_listing_with_lots() -> None:
    row = "Pink Kush,Dried Flower,A1,,3.5 g,{thc},{price},{lot}"
    rows = [
        row.format(thc="22%", price="29.95", lot="L-07"),
        row.format(thc="24,5%".replace(",", "."), price="29.95", lot="L-08"),
        row.format(thc="20%", price="27.95", lot="L-09"),
    ]
    options: dict[str, Any] = {"header": HEADER + ",Lot", "columns": {**COLUMNS, "lot": "Lot"}}

    runs = [_run(*rows, **options), _run(*reversed(rows), **options)]

    assert [_counts(run) for run in runs] == [(1, 0, 0, 0, 2), (0, 0, 1, 0, 2)]
    listing = SupplierListing.objects.get()
    assert listing.lots == ["L-07", "L-08", "L-09"]
    assert (listing.thc_low, listing.thc_high) == (Decimal(20), Decimal("24.5"))
    assert (listing.price, listing.flags) == (Decimal("27.95"), ["lot_prices_differ"])


def test_class_j_unlike_rows_with_lots_are_not_combined() -> None:
    rows = [
        FLOWER.format(sku="A1", upc="") + ",L-07",
        GUMMIES.format(sku="A1", upc="") + ",L-08",
    ]

    run = _run(*rows, header=HEADER + ",Lot", columns={**COLUMNS, "lot": "Lot"})

    assert _counts(run) == (0, 0, 0, 2, 0)


def test_dry_run_has_the_counts_of_the_run() -> None:
    rows = [*OTHERS, OTHERS[0], FLOWER.format(sku="B1", upc="")]
    _run(*OTHERS)
    body = "\n".join([HEADER, *rows, ""]).encode()
    name = default_storage.save("lists/north.csv", ContentFile(body))
    CatalogSource.objects.filter(pk="north").update(file=name)

    foreseen = dry_run_source(SUPPLIER_PRODUCTS, code="north").run

    assert _counts(foreseen) == _counts(run_source(SUPPLIER_PRODUCTS, code="north"))


def test_class_f_licence_on_two_rows_is_reported() -> None:
    body = b"Holder,No\nNorth Farms,1\nNorth Farms,1\nSouth Farms,1\nEast Farms,2\n"
    CatalogSource.objects.create(
        code="holders",
        label="Holders",
        kind="sheet",
        content_kind="licences",
        file=default_storage.save("lists/holders.csv", ContentFile(body)),
        mapping={"content_kind": "licences", "columns": {"name": "Holder"}, "id_columns": ["No"]},
    )

    runs = [run_source(LICENCES, code="holders") for _ in range(2)]

    assert [_counts(run) for run in runs] == [(2, 0, 0, 1, 1), (0, 0, 2, 1, 1)]


@pytest.mark.parametrize("thc", ["0.225", "0.22%", "0,31"])
def test_t5_flower_below_one_percent_throughout_stops_the_run(thc: str) -> None:
    row = f'Pink Kush,Dried Flower,A1,,3.5 g,"{thc}",29.95'

    with pytest.raises(FeedSuspicious, match="THC of all 1 flowers of north is below 1 %"):
        _run(row)


def test_t5_fractions_are_read_when_the_column_states_them() -> None:
    _run(FLOWER.format(sku="A1", upc="").replace("22%", "0.225"), units={"thc": "fraction"})

    assert SupplierListing.objects.get().thc_high == Decimal("22.50")


def test_t5_hemp_flower_does_not_stop_the_run() -> None:
    header = HEADER + ",CBD"
    row = FLOWER.format(sku="A1", upc="").replace("22%", "0.5%") + ",12%"

    run = _run(row, header=header, columns={**COLUMNS, "cbd": "CBD"})

    assert run.new == 1
