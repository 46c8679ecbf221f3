"""
Evaluation of the price model on a file of offers, without a database, by cross-validation.

Offers are a Parquet or CSV file with the columns of the training set, or menu items of Weedmaps
listings (JSON lines, each with `store_file`), which are read by the parser of crawls.
"""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from competitors.ingest.cleaning import clean_offer, read_offer
from competitors.ingest.offers import OfferRecord, Page, PageRequest, ShopAddress
from competitors.ingest.platforms.weedmaps import WEEDMAPS
from competitors.ingest.records import MenuRecord
from competitors.pricing.items import group_fold
from competitors.training import COLUMNS, PARAMETERS, PRICING_TRAINER, evaluate_by, prepare
from config.errors import BadInput
from mlops.pipelines.errors import RecordRejected, SourceBroken
from mlops.registry import Evaluation, FitContext, paired_bootstrap

if TYPE_CHECKING:
    import pyarrow

UNITS: Mapping[str, str] = {
    "products": "product_group",
    "shops": "location",
    "competitors": "competitor",
}
"""Kinds of units to hold out, with the column that names them."""
MODEL = "model"
_REQUIRED = ("competitor", "name", "category", "price")
_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_CURRENCY = "USD"
_MAX_PRICE = 5_000.0
_STORE_NUMBER = re.compile(r"^\d+_")
_STORE_NAME = re.compile(r"(?:_-|-_|,|\.json|_menu).*$")

Report = Callable[[str, int, int], None]
"""Receives the kind of unit, the number of folds that are done, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """
    Results of one estimator over all folds.

    metrics: means over rows. gain: by how much the model's error is lower, with its 95 % interval
    (low, mean, high), by metric.
    """

    name: str
    metrics: Mapping[str, float]
    gain: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEvaluation:
    """Results with one kind of unit held out; the model first."""

    held_out: str
    rows: int
    units: int
    seconds: float
    estimators: tuple[Estimator, ...]


def read_offers(path: Path) -> "pyarrow.Table":
    """
    Return offers with the columns of the training set, those of a file; others are empty.

    Required are competitor, name, category and price. Without is_tax_included, prices are without
    tax; without observed_at, all offers are of one time; without location, a competitor is one
    shop. Raises BadInput.
    """
    try:
        if path.name.endswith((".jsonl", ".jsonl.gz")):
            return _table(list(_menu_offers(path)))
        return complete_columns(_read_columns(path))
    except (OSError, ValueError, KeyError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInput("offers", f"{path} cannot be read: {reason}") from None


def evaluate_prices(
    table: "pyarrow.Table",
    *,
    held_out: str,
    folds: int,
    seed: int,
    report: Report = lambda _unit, _done, _count: None,
) -> PriceEvaluation:
    """
    Cross-validate the model and the baselines, with units of one kind held out together.

    table: as `read_offers` returns. held_out: of UNITS. Raises BadInput: too few units.
    """
    import pyarrow as pa

    started, column = monotonic(), UNITS[held_out]
    prepared = prepare(table).sort_by("observed_at")
    units = prepared[column].to_pylist()
    if len(set(units)) < folds:
        raise BadInput("offers", f"{len(set(units))} {held_out} are fewer than {folds} folds")
    unit_folds = np.array([group_fold(unit, folds, seed=seed) for unit in units])
    by_name: dict[str, list[tuple[int, Evaluation]]] = defaultdict(list)
    for fold in range(folds):
        report(held_out, fold, folds)
        test = prepared.filter(pa.array(unit_folds == fold))
        train = prepared.filter(pa.array(unit_folds != fold))
        if not test.num_rows or not train.num_rows:
            continue
        context = FitContext(seed=seed, parameters=dict(PARAMETERS), record=lambda *_point: None)
        fits = {MODEL: PRICING_TRAINER.fit, **PRICING_TRAINER.baselines}
        for name, fit in fits.items():
            evaluation = evaluate_by(fit(train, context), test, unit=column)
            by_name[name].append((test.num_rows, evaluation))
    return PriceEvaluation(
        held_out=held_out,
        rows=prepared.num_rows,
        units=len(set(units)),
        seconds=monotonic() - started,
        estimators=tuple(_pool(name, by_name, seed) for name in by_name),
    )


def _pool(
    name: str, by_name: Mapping[str, Sequence[tuple[int, Evaluation]]], seed: int
) -> Estimator:
    evaluations = by_name[name]
    names = evaluations[0][1].metrics
    rows = [rows for rows, _ in evaluations]
    metrics = {
        metric: float(
            np.average([e.metrics.get(metric, 0.0) for _, e in evaluations], weights=rows)
        )
        for metric in names
    }
    gain = {}
    for metric in evaluations[0][1].samples if name != MODEL else ():
        differences = [
            theirs.samples[metric] - ours.samples[metric]
            for (_, theirs), (_, ours) in zip(evaluations, by_name[MODEL], strict=True)
            if metric in theirs.samples
        ]
        gain[metric] = paired_bootstrap(np.concatenate(differences), seed=seed)
    return Estimator(name=name, metrics=metrics, gain=gain)


def _read_columns(path: Path) -> "pyarrow.Table":
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path)
    if path.suffix == ".csv":
        from pyarrow import csv

        return csv.read_csv(path)
    raise ValueError("the name must end in .parquet, .csv, .jsonl or .jsonl.gz")


def complete_columns(table: "pyarrow.Table") -> "pyarrow.Table":
    """Return the columns of the training set; raises ValueError: a required one is missing."""
    import pyarrow as pa

    missing = [name for name in _REQUIRED if name not in table.column_names]
    if missing:
        raise ValueError(f"column {missing[0]} is missing")
    defaults: Mapping[str, Any] = {"observed_at": _NO_TIME, "is_tax_included": False}
    columns = {}
    for name, kind in COLUMNS.items():
        values = pa.nulls(table.num_rows)
        if name in table.column_names:
            values = table[name]
        elif name in defaults:
            values = pa.array([defaults[name]] * table.num_rows)
        elif name == "location":
            values = table["competitor"]
        columns[name] = values.cast(_arrow_type(kind))
    return pa.table(columns)


def _table(rows: Sequence[Mapping[str, Any]]) -> "pyarrow.Table":
    import pyarrow as pa

    return complete_columns(pa.Table.from_pylist(list(rows)))


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    types = {"string": pa.string(), "float64": pa.float64(), "bool": pa.bool_()}
    return types.get(kind, pa.timestamp("us", tz="UTC"))


def _menu_offers(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the offers of menus whose category and price a crawl can read."""
    menus: dict[str, list[Any]] = defaultdict(list)
    is_packed = path.suffix == ".gz"
    with gzip.open(path, "rt") if is_packed else path.open(encoding="utf-8") as lines:
        for line in lines:
            item = json.loads(line)
            menus[item.pop("store_file")].append(item)
    shop = ShopAddress(
        base_url="https://weedmaps.example", location="menu", options={"currency": _CURRENCY}
    )
    request = PageRequest(key="page-0001", url=shop.base_url)
    for store, items in menus.items():
        body = json.dumps({"data": items, "meta": {"total": len(items)}}).encode()
        page = Page(
            request=request,
            url=shop.base_url,
            status=200,
            content_type="application/json",
            body=body,
        )
        try:
            records = WEEDMAPS.read_page(page, shop).records
        except SourceBroken as error:
            raise ValueError(f"the menu of {store} cannot be read: {error}") from None
        for record in records:
            if offer := _menu_offer(record, store):
                yield offer


def _menu_offer(record: OfferRecord, store: str) -> dict[str, Any] | None:
    menu_record = MenuRecord(
        record=record, platform=WEEDMAPS, source="competitor:menus", location=store, language="en"
    )
    try:
        read = read_offer(menu_record)
        offer = clean_offer(read)
    except RecordRejected:
        return None
    if not offer.category or offer.price is None or offer.price > _MAX_PRICE:
        return None
    return {
        "observation_id": f"{store}:{offer.external_id}",
        "competitor": _STORE_NAME.sub("", _STORE_NUMBER.sub("", store)),
        "location": store,
        "province": "",
        "product_id": "",
        "name": offer.name,
        "brand": offer.brand,
        "category": offer.category,
        "strain_type": read.extracted.strain_type,
        "terpenes": "",
        "thc": offer.thc,
        "cbd": offer.cbd,
        "thc_mg": _number(offer.thc_mg),
        "weight_grams": _number(offer.weight_grams),
        "volume_ml": _number(offer.volume_ml),
        "unit_count": _number(offer.unit_count),
        "price": _number(offer.price),
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
