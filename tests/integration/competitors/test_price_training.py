"""Retraining of the price model on the database: frozen rows, gates, approval, serving."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow
import pytest
from django.test import override_settings
from django.utils import timezone

from competitors.models import CompetitorOffer, PriceHistory
from competitors.pricing.served import PRICING
from competitors.training import COLUMNS, PARAMETERS, PRICING_TRAINER
from mlops.models import Deployment
from mlops.registry import TooFewRows, retrain
from mlops.registry.deployments import approve, deploy
from mlops.registry.training_sets import freeze, read_frozen
from tests.factories.catalog import ProductFactory
from tests.factories.competitors import (
    CompetitorFactory,
    CompetitorOfferFactory,
    PriceHistoryFactory,
)
from tests.samples.prices import AS_OF, offers

pytestmark = pytest.mark.django_db
_TRAINER = replace(
    PRICING_TRAINER,
    parameters={**PARAMETERS, "rounds": 40, "min_data_in_leaf": 5},
    min_train_rows=200,
    min_test_rows=30,
)


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


def store_offers(table: pyarrow.Table) -> None:
    """Store sample offers with their observations."""
    rows = table.to_pylist()
    shops = {
        code: CompetitorFactory.create(code=code)
        for code in sorted({r["competitor"] for r in rows})
    }
    stored: dict[tuple[str, str], CompetitorOffer] = {}
    history = []
    for row in rows:
        key = (row["competitor"], row["name"])
        if key not in stored:
            stored[key] = CompetitorOfferFactory.create(
                competitor=shops[row["competitor"]],
                name=row["name"],
                brand=row["brand"],
                category=row["category"],
                thc=f"{row['thc_percentage']:.1f}%",
                weight_grams=Decimal(str(row["weight_grams"])),
                is_tax_included=False,
            )
        history.append(
            PriceHistory(
                offer=stored[key],
                competitor=row["competitor"],
                price=Decimal(str(row["price"])),
                is_tax_included=False,
                scraped_at=row["observed_at"],
                confidence=1,
            )
        )
    PriceHistory.objects.bulk_create(history)


def _frozen(**observation: Any) -> list[dict[str, Any]]:
    """Return the frozen rows of one observation."""
    fields = {"product": None, "is_tax_included": False, "confidence": 1, **observation}
    PriceHistoryFactory.create(scraped_at=AS_OF - timedelta(days=3), **fields)
    frozen = freeze(_TRAINER.training_set, model="pricing", as_of=AS_OF)
    rows: list[dict[str, Any]] = read_frozen(frozen.key, frozen.checksum).to_pylist()
    return rows


def test_retraining_judges_the_model_and_waits_for_approval() -> None:
    store_offers(offers(products=160, weeks=16))

    run = retrain(_TRAINER, as_of=AS_OF)

    gates = dict(run.version.gates.values_list("name", "outcome"))
    assert gates["r2"] == "passed"
    assert gates["mape gain over category median"] == "passed"
    assert gates["mape gain over brand median"] == "passed"
    assert gates["r2 with shuffled labels"] == "passed"
    assert {"mape gain over last price", "known_mape gain over last price"} <= set(gates)
    assert 0 < run.version.metrics["coverage"] <= 1
    assert not Deployment.objects.exists()


def test_approved_version_serves() -> None:
    store_offers(offers(products=160, weeks=16))
    version = retrain(_TRAINER, as_of=AS_OF).version
    approve(version=version, approved_by="user:analyst", reason="gates were read")

    deploy(version=version, approved_by="user:analyst", reason="first model")

    PRICING.outdate()
    serving = PRICING.current()
    assert serving
    assert serving.number == version.number


def test_too_few_observations_are_refused() -> None:
    store_offers(offers(products=10, weeks=8))

    with pytest.raises(TooFewRows):
        retrain(_TRAINER, as_of=AS_OF)


def test_attributes_of_a_matched_offer_are_those_of_its_product() -> None:
    product = ProductFactory.create(
        name="Ours", brand="Acorn", category="edibles", terpenes=["myrcene", "limonene"]
    )
    offer = CompetitorOfferFactory.create(
        product=product, match_status="confirmed", name="Theirs", category="extracts"
    )

    (row,) = _frozen(offer=offer)

    assert list(row) == list(COLUMNS)
    assert (row["name"], row["category"], row["product_id"]) == ("Ours", "edibles", str(product.pk))
    assert row["terpenes"] == "myrcene,limonene"


def test_attributes_of_a_proposed_match_are_not_used() -> None:
    offer = CompetitorOfferFactory.create(
        product=ProductFactory.create(name="Ours"), match_status="proposed", name="Theirs"
    )

    (row,) = _frozen(offer=offer)

    assert (row["name"], row["product_id"]) == ("Theirs", "")


def test_milligrams_of_a_matched_offer_are_those_of_its_product() -> None:
    product = ProductFactory.create(thc_mg=Decimal(5), mg_basis="mg_per_unit", unit_count=4)
    offer = CompetitorOfferFactory.create(
        product=product, match_status="automatic", thc_mg=Decimal(20)
    )

    (row,) = _frozen(offer=offer)

    assert (row["thc_mg"], row["mg_basis"]) == (5, "mg_per_unit")


@pytest.mark.parametrize(
    "observation",
    [
        {"is_tax_included": None},
        {"currency": "USD"},
        {"price": None},
        {"confidence": Decimal("0.5")},
        {"offer": None},
    ],
    ids=lambda observation: next(iter(observation)),
)
def test_price_that_cannot_be_compared_is_not_trained_on(observation: dict[str, Any]) -> None:
    fields = {"offer": CompetitorOfferFactory.create(), **observation}

    assert _frozen(**fields) == []


def test_newest_observation_of_each_four_weeks_is_trained_on() -> None:
    offer = CompetitorOfferFactory.create()
    for days, price in ((20, 21), (5, 22), (30, 23), (500, 24)):
        PriceHistoryFactory.create(
            offer=offer,
            product=None,
            price=Decimal(price),
            is_tax_included=False,
            scraped_at=AS_OF - timedelta(days=days),
        )

    rows = _frozen(offer=offer, price=Decimal(30))

    assert [row["price"] for row in rows] == [23, 30]


def test_large_set_is_sampled_by_product() -> None:
    store_offers(offers(products=60, weeks=4))
    params = {**_TRAINER.training_set.params, "max_rows": 60}

    everything, sample = (
        read_frozen(frozen.key, frozen.checksum)
        for training_set in (_TRAINER.training_set, replace(_TRAINER.training_set, params=params))
        for frozen in (freeze(training_set, model="pricing", as_of=AS_OF),)
    )

    names = set(sample["name"].to_pylist())
    rows = [name for name in everything["name"].to_pylist() if name in names]
    assert 0 < sample.num_rows < everything.num_rows
    assert len(rows) == sample.num_rows


def test_observations_after_the_time_of_the_set_are_not_trained_on() -> None:
    offer = CompetitorOfferFactory.create()
    PriceHistoryFactory.create(
        offer=offer, product=None, is_tax_included=False, scraped_at=timezone.now()
    )

    frozen = freeze(_TRAINER.training_set, model="pricing", as_of=AS_OF)

    assert frozen.row_count == 0
