"""Offline evaluation: the command, its metrics, and the split of a file of events."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from customers.models import Scenario
from customers.recommendations.evaluation.metrics import compare_rankers, evaluate_ranker
from customers.recommendations.evaluation.rankers import served
from customers.recommendations.evaluation.splits import read_events, split_events
from customers.recommendations.evaluation.statistics import compute_neighbors
from customers.reference.scenarios import initial_values

_END = pd.Timestamp("2026-11-20")


def _event(customer: str, product: str, days_ago: float, **fields: Any) -> dict[str, Any]:
    return {
        "customer": customer,
        "product": product,
        "occurred_at": _END - pd.Timedelta(days=days_ago),
        **fields,
    }


def _repeat_purchases() -> list[dict[str, Any]]:
    """Ten customers who each buy a product of their own weekly, and a common one now and then."""
    events = []
    for number in range(10):
        events += [_event(f"c{number}", f"own-{number}", 7 * week) for week in range(12)]
        events += [_event(f"c{number}", "common", 30 + 7 * week) for week in range(2)]
    return events


def _write(tmp_path: Path, events: list[dict[str, Any]]) -> Path:
    path = tmp_path / "events.parquet"
    pd.DataFrame(events).to_parquet(path)
    return path


def _run(path: Path, *options: str) -> str:
    out = StringIO()
    call_command("evaluate_recommendations", "--events", str(path), *options, stdout=out)
    return out.getvalue()


def test_repeat_purchases_are_predicted(tmp_path: Path) -> None:
    path = _write(tmp_path, _repeat_purchases())

    report = json.loads(_run(path, "--test-days", "14", "--at", "1", "--json"))

    assert (report["customers"], report["products"]) == (10, 11)
    assert report["scores"]["served"] == {
        "recall": 1.0,
        "ndcg": 1.0,
        "hit_rate": 1.0,
        "coverage": 10 / 11,
    }
    assert report["scores"]["buy_again"]["recall"] == 1.0
    assert report["scores"]["popularity"] == {
        "recall": 0.0,
        "ndcg": 0.0,
        "hit_rate": 0.0,
        "coverage": 1 / 11,
    }


def test_table_lists_every_ranking(tmp_path: Path) -> None:
    out = _run(_write(tmp_path, _repeat_purchases()))

    assert "recall@10" in out
    assert all(name in out for name in ("popularity", "buy_again", "item_knn", "served"))
    assert "10 customers, 11 products, purchases of the last 14 days predicted" in out


def test_metrics_of_a_small_example(tmp_path: Path) -> None:
    before = [_event("c", product, 20) for product in ("a", "b", "x", "y")]
    after = [_event("c", product, 0) for product in ("a", "b", "new")]
    split = split_events(read_events(_write(tmp_path, before + after)), test_days=14)
    assert split.relevant == {0: {0, 1}}  # a product without earlier purchases is not relevant

    metrics = evaluate_ranker(split, lambda _customer: [2, 0, 3], k=3)
    single = evaluate_ranker(split, lambda _customer: [0], k=1)

    assert metrics.recall == 1 / 2
    assert metrics.ndcg == pytest.approx((1 / 1.5849625) / (1 + 1 / 1.5849625))
    assert (metrics.hit_rate, metrics.coverage) == (1.0, 3 / 4)
    assert single.recall == 1.0  # one hit of at most one


def test_events_after_the_cut_are_not_used_for_ranking(tmp_path: Path) -> None:
    events = _repeat_purchases()
    after = [_event(f"c{number}", "common", 1) for number in range(10) for _ in range(50)]

    split = split_events(read_events(_write(tmp_path, events + after)), test_days=14)

    ages = [(_END - event["occurred_at"]).days for event in events]
    assert split.events["days"].min() >= 0
    assert len(split.events) == sum(age >= 14 for age in ages)


def test_evaluation_applies_the_diversity_of_the_scenario(tmp_path: Path) -> None:
    events = [
        _event("c", f"{brand}-{number}", 20 + week * 7 + number / 100, brand=brand, category="f")
        for brand, times in (("big", 4), ("small", 1))
        for number in range(8)
        for week in range(times)
    ]
    events.append(_event("c", "big-0", 0, brand="big", category="f"))
    split = split_events(read_events(_write(tmp_path, events)), test_days=14)
    diverse = Scenario(
        name="home", **initial_values("home") | {"diversity": 0.2, "max_per_brand": 4}
    )

    products = served(split, compute_neighbors(split), k=10, scenario=diverse)(0)

    assert [split.traits[product][0] for product in products].count("big") == 4


def test_views_and_returns_do_not_count_as_purchases(tmp_path: Path) -> None:
    events = [
        *_repeat_purchases(),
        *(_event("c0", "own-1", 40, kind="view", quantity=1) for _ in range(30)),
        _event("c0", "own-2", 30),
        _event("c0", "own-2", 29, quantity=-1),
        _event("c0", "own-2", 2, quantity=-1),
    ]
    frame = pd.DataFrame(events)
    frame = frame.assign(
        kind=frame["kind"].fillna("purchase"), quantity=frame["quantity"].fillna(1)
    )
    path = tmp_path / "events.parquet"
    frame.to_parquet(path)

    split = split_events(read_events(path), test_days=14)

    assert len(split.relevant[0]) == 1
    assert compare_rankers(split, k=1)["served"].recall == 1.0


@pytest.mark.parametrize(
    ("events", "options", "message"),
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
        ([_event("c", "p", 0, quantity="two")], [], "quantity: must be a number"),
        ([_event("c", "p", 0)], [], "no events before the last 14 days"),
        ([_event("c", "p", 30), _event("d", "p", 0)], [], "no known customer buys"),
        (_repeat_purchases(), ["--test-days", "0"], "--test-days must be 1 to 3650"),
        (_repeat_purchases(), ["--at", "1000"], "--at 1 to 100"),
    ],
)
def test_invalid_input_is_reported_in_one_line(
    tmp_path: Path, events: list[Any], options: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message) as raised:
        _run(_write(tmp_path, events), *options)

    assert raised.value.returncode == 2
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["nowhere.parquet", "text.parquet"])
def test_an_unreadable_file_is_reported_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.parquet").write_text("customer,product\n")

    with pytest.raises(CommandError, match="cannot be read as Parquet") as raised:
        _run(tmp_path / name)

    assert raised.value.returncode == 2
    assert "\n" not in str(raised.value)
