"""The command that tells how good recommendations are, on purchases whose answer is known."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from customers.models import Scenario
from customers.recommendations.evaluation.metrics import compare, measure
from customers.recommendations.evaluation.rankers import ours
from customers.recommendations.evaluation.splits import read_events, split_of
from customers.recommendations.evaluation.statistics import neighbors_of
from customers.reference.scenarios import initial

_END = pd.Timestamp("2026-11-20")


def _line(customer: str, product: str, days: float, **facts: Any) -> dict[str, Any]:
    return {
        "customer": customer,
        "product": product,
        "occurred_at": _END - pd.Timedelta(days=days),
        **facts,
    }


def _habits() -> list[dict[str, Any]]:
    """Ten people who each buy a thing of their own every week, and now and then what all buy."""
    lines = []
    for number in range(10):
        lines += [_line(f"c{number}", f"own-{number}", 7 * week) for week in range(12)]
        lines += [_line(f"c{number}", "common", 30 + 7 * week) for week in range(2)]
    return lines


def _file(tmp_path: Path, lines: list[dict[str, Any]]) -> Path:
    path = tmp_path / "events.parquet"
    pd.DataFrame(lines).to_parquet(path)
    return path


def _run(path: Path, *options: str) -> str:
    out = StringIO()
    call_command("evaluate_recommendations", "--events", str(path), *options, stdout=out)
    return out.getvalue()


def test_habits_are_foretold(tmp_path: Path) -> None:
    told = json.loads(_run(_file(tmp_path, _habits()), "--test-days", "14", "--at", "1", "--json"))
    assert (told["customers"], told["products"]) == (10, 11)
    assert told["scores"]["ours"] == {
        "recall": 1.0,
        "ndcg": 1.0,
        "hit_rate": 1.0,
        "coverage": 10 / 11,
    }
    assert told["scores"]["buy-again"]["recall"] == 1.0
    assert told["scores"]["popularity"] == {
        "recall": 0.0,
        "ndcg": 0.0,
        "hit_rate": 0.0,
        "coverage": 1 / 11,
    }


def test_table_names_every_order(tmp_path: Path) -> None:
    out = _run(_file(tmp_path, _habits()))
    assert "recall@10" in out
    assert all(name in out for name in ("popularity", "buy-again", "item-kNN", "ours"))
    assert "10 customers, 11 products, the last 14 days foretold" in out


def test_figures_by_hand(tmp_path: Path) -> None:
    lines = [_line("c", p, 20) for p in ("a", "b", "x", "y")] + [
        _line("c", p, 0) for p in ("a", "b", "new")
    ]
    split = split_of(read_events(_file(tmp_path, lines)), test_days=14)
    assert split.relevant == {0: {0, 1}}  # what nobody bought before cannot be recommended
    found = measure(split, lambda customer: [2, 0, 3], at=3)
    assert found.recall == 1 / 2
    assert found.ndcg == pytest.approx((1 / 1.5849625) / (1 + 1 / 1.5849625))
    assert (found.hit_rate, found.coverage) == (1.0, 3 / 4)
    assert measure(split, lambda customer: [0], at=1).recall == 1.0  # one of at most one


def test_what_is_after_the_cut_is_not_learned_from(tmp_path: Path) -> None:
    habits = _habits()
    after = [_line(f"c{n}", "common", 1) for n in range(10) for _ in range(50)]
    split = split_of(read_events(_file(tmp_path, habits + after)), test_days=14)
    assert split.lines["days"].min() >= 0
    assert len(split.lines) == sum(1 for line in habits if (_END - line["occurred_at"]).days >= 14)


def test_variety_is_as_shipped(tmp_path: Path) -> None:
    lines = [
        _line("c", f"{brand}-{n}", 20 + week * 7 + n / 100, brand=brand, category="flower")
        for brand, times in (("big", 4), ("small", 1))
        for n in range(8)
        for week in range(times)
    ]
    split = split_of(
        read_events(
            _file(tmp_path, [*lines, _line("c", "big-0", 0, brand="big", category="flower")])
        ),
        test_days=14,
    )
    few = Scenario(name="home", **initial("home") | {"diversity": 0.2, "most_of_a_brand": 4})
    picked = ours(split, neighbors_of(split), at=10, scenario=few)(0)
    assert [split.traits[product][0] for product in picked].count("big") == 4


def test_views_and_returns_are_no_purchases(tmp_path: Path) -> None:
    lines = [
        *_habits(),
        *(_line("c0", "own-1", 40, kind="view", quantity=1) for _ in range(30)),
        _line("c0", "own-2", 30),
        _line("c0", "own-2", 29, quantity=-1),
        _line("c0", "own-2", 2, quantity=-1),
    ]
    frame = pd.DataFrame(lines).assign(
        kind=lambda f: f["kind"].fillna("purchase"), quantity=lambda f: f["quantity"].fillna(1)
    )
    path = tmp_path / "events.parquet"
    frame.to_parquet(path)
    split = split_of(read_events(path), test_days=14)
    assert len(split.relevant[0]) == 1
    assert compare(split, at=1)["ours"].recall == 1.0


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        ([{"customer": "c", "product": "p"}], [], "lacks the column occurred_at"),
        (
            [{"customer": "c", "product": "p", "occurred_at": "yesterday"}],
            [],
            "occurred_at: must be a time",
        ),
        (
            [{"customer": None, "product": "p", "occurred_at": _END}],
            [],
            "customer: is empty in a row",
        ),
        ([_line("c", "p", 0, quantity="two")], [], "quantity: must be a number"),
        ([_line("c", "p", 0)], [], "nothing was done before the last 14 days"),
        ([_line("c", "p", 30), _line("d", "p", 0)], [], "nobody known bought"),
        (_habits(), ["--test-days", "0"], "--test-days must be 1 to 3650"),
        (_habits(), ["--at", "1000"], "--at 1 to 100"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, lines: list[Any], options: list[str], said: str
) -> None:
    with pytest.raises(CommandError, match=said) as raised:
        _run(_file(tmp_path, lines), *options)
    assert raised.value.returncode == 2
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["nowhere.parquet", "text.parquet"])
def test_file_that_is_none_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.parquet").write_text("customer,product\n")
    with pytest.raises(CommandError, match="cannot be read as Parquet") as raised:
        _run(tmp_path / name)
    assert raised.value.returncode == 2
    assert "\n" not in str(raised.value)
