"""Evaluation of the price model on files: formats, errors, results."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest
from django.core.management import CommandError, call_command

from competitors.price_evaluation import read_offers
from config.errors import BadInput
from tests.samples.prices import offers


def _write(path: Path, *, drop: tuple[str, ...] = ()) -> Path:
    table = offers(products=40, weeks=2).drop_columns(list(drop))
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
    return path


def _menu_item(**attributes: Any) -> str:
    item = {
        "store_file": "301_High_Desert_-_Santa_Fe_menu.json",
        "id": 7,
        "type": "menu_item",
        "attributes": {
            "name": "Pink Kush",
            "category_name": "Flower",
            "brand_name": "Acorn",
            "genetics": "indica",
            "is_published": True,
            "prices": {"price_eighth": 35, "price_unit": 0},
            "measurements": [{"name": "THC", "unit": "%", "value": 24.5}],
            "variants": [],
            **attributes,
        },
    }
    return json.dumps(item)


@pytest.mark.parametrize("name", ["offers.csv", "offers.parquet"])
def test_formats_of_offers_are_read_alike(tmp_path: Path, name: str) -> None:
    table = read_offers(_write(tmp_path / name))

    assert table.num_rows == offers(products=40, weeks=2).num_rows
    assert table["price"].to_pylist() == offers(products=40, weeks=2)["price"].to_pylist()


def test_optional_columns_may_be_absent(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "offers.csv", drop=("location", "observed_at", "thc", "is_tax_included")
    )

    table = read_offers(path)

    assert table["location"].to_pylist() == table["competitor"].to_pylist()
    assert set(table["is_tax_included"].to_pylist()) == {False}


def test_menu_items_are_read_by_the_parser_of_crawls(tmp_path: Path) -> None:
    path = tmp_path / "menus.jsonl"
    path.write_text(_menu_item())

    (offer,) = read_offers(path).to_pylist()

    assert (offer["competitor"], offer["price"]) == ("High_Desert", 35.0)
    assert (offer["category"], offer["strain_type"]) == ("dried_flower", "indica")
    assert offer["weight_grams"] == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("competitor,name,price\na,b,1\n", "category is missing"), ("", "cannot be read")],
)
def test_unusable_file_is_refused_with_its_reason(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / "offers.csv"
    path.write_text(content)

    with pytest.raises(BadInput, match=reason):
        read_offers(path)


def test_command_refuses_an_unknown_file() -> None:
    with pytest.raises(CommandError) as refused:
        call_command("train_pricing", "--offers", "absent.csv")

    assert refused.value.returncode == 2


def test_command_compares_the_model_with_baselines_without_a_database(tmp_path: Path) -> None:
    path, output = _write(tmp_path / "offers.parquet"), StringIO()

    call_command("train_pricing", "--offers", str(path), "--folds", "2", "--json", stdout=output)

    result = json.loads(output.getvalue())
    model, *baselines = result["estimators"]
    assert result["held_out"] == "products"
    assert [one["name"] for one in baselines] == ["last price", "category median", "brand median"]
    assert model["metrics"]["r2"] > baselines[1]["metrics"]["r2"]
    assert set(baselines[0]["gain"]) == {"mape", "known_mape"}


def test_fewer_units_than_folds_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "offers.parquet")

    with pytest.raises(CommandError, match="fewer than 20 folds"):
        call_command(
            "train_pricing", "--offers", str(path), "--folds", "20", "--hold-out", "competitors"
        )
