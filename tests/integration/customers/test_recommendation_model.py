"""The recommendation ranking as a registered model: trained, gated, deployed, served."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import override_settings
from django.utils import timezone

from catalog.models import StoreStock
from customers.models import (
    Consent,
    CustomerProfile,
    ProductPopularity,
    Recommendation,
    Scenario,
)
from customers.recommendations import RecommendationRequest, RecommendationResult, recommend
from customers.recommendations.ranker import RECOMMENDER
from customers.recommendations.ranker_training import split_by_time
from customers.recommendations.result import FallbackLevel
from customers.recommendations.statistics import (
    update_product_neighbors,
    update_product_popularity,
    update_repeat_statistics,
)
from mlops.experiments import Assignment
from mlops.models import Deployment, ModelVersion, TrainingRun
from mlops.models.registry import EVERYWHERE
from mlops.registry import (
    FitContext,
    LatencyRelative,
    Trainer,
    deploy,
    find_trainer,
    retrain,
    save_shadow_results,
    shadow_reports,
    start_shadow,
)
from mlops.registry.training_sets import freeze, read_frozen
from tests.factories.registry import ModelVersionFactory
from tests.samples.shoppers import Shop, create_shop, generate_events, generate_products

pytestmark = pytest.mark.django_db
_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        RECOMMENDER._reset()
        yield
        RECOMMENDER._reset()


@pytest.fixture
def shop() -> Shop:
    """A small shop; statistics are those of its history."""
    return _create_shop(customers=16, days=60)


@pytest.fixture
def large_shop() -> Shop:
    """A shop with enough customers for every gate to decide."""
    return _create_shop(customers=120, days=120)


def _create_shop(*, customers: int, days: int) -> Shop:
    until = timezone.now() - timedelta(hours=1)
    shop = create_shop(customers=customers, products=60, until=until, days=days)
    update_product_neighbors()
    update_product_popularity()
    update_repeat_statistics()
    return shop


def _trainer(**changes: Any) -> Trainer:
    trainer = find_trainer("recommendation")
    # Fewer trees and shuffles: as many steps, in a few seconds.
    parameters = {**trainer.parameters, "trees": 40, "rank": 16}
    control = replace(trainer.control, shuffles=3)
    # Each call takes a millisecond, so that a busy machine does not fail the gate.
    gates = tuple(
        replace(gate, clock=count(step=0.001).__next__, pairs=4)
        if isinstance(gate, LatencyRelative)
        else gate
        for gate in trainer.gates
    )
    fields = {"parameters": parameters, "control": control, "gates": gates, **changes}
    return replace(trainer, **fields)


def _train(**changes: Any) -> TrainingRun:
    return retrain(_trainer(**changes))


@cache
def _artifact() -> bytes:
    """Return a ranker of the same products, fitted to other shoppers."""
    events = generate_events(generate_products(count=60), customers=60, until=_NOW, days=100)
    train, _, _ = split_by_time(events, _NOW)
    trainer = _trainer()
    context = FitContext(seed=0, parameters=trainer.parameters, record=lambda *_point: None)
    return trainer.dump(trainer.fit(train, context))


def _deploy(*, scope: str = EVERYWHERE) -> ModelVersion:
    """Deploy the ranker as the next version."""
    version = _store_version()
    deploy(version=version, scope=scope, policy="all gates passed")
    return version


def _store_version() -> ModelVersion:
    version: ModelVersion = ModelVersionFactory.create(model="recommendation", body=_artifact())
    return version


def _customer(shop: Shop) -> CustomerProfile:
    return next(iter(shop.customers.values()))


def _recommend(customer: CustomerProfile | None, **params: Any) -> RecommendationResult:
    RECOMMENDER.outdate()
    fields = {"scenario": "home", "customer": customer.pk if customer else None, "limit": 10}
    return recommend(RecommendationRequest(**{**fields, **params}), record=False)


def _products(result: RecommendationResult) -> list[str]:
    return [str(recommended.product.pk) for recommended in result.recommendations]


def _shuffle_labels(table: pa.Table, as_of: datetime) -> tuple[pa.Table, pa.Table, datetime]:
    """Split as the trainer does, with the labels of the training part permuted."""
    train, test, split_at = find_trainer("recommendation").split(table, as_of)
    order = np.random.default_rng(0).permutation(train.num_rows)
    index = train.column_names.index("label")
    labels = train["label"].take(pa.array(order))
    return train.set_column(index, "label", labels), test, split_at


def _damage(version: ModelVersion) -> None:
    default_storage.delete(version.artifact_key)
    default_storage.save(version.artifact_key, ContentFile(b"damaged"))


def _train_until_passed() -> TrainingRun:
    """Return a run that passed; ids of customers are random, and so is who is held out."""
    for seed in range(4):
        run = retrain(_trainer(), seed=seed)
        if run.version.verdict == ModelVersion.Verdict.PASSED:
            break
    return run


def test_model_that_passes_every_gate_serves(large_shop: Shop) -> None:
    run = _train_until_passed()

    gates = {gate.name: gate.outcome for gate in run.version.gates.all()}
    result = _recommend(_customer(large_shop))
    assert set(gates.values()) == {"passed"}
    assert {"roc_auc", "hard filters", "latency, times that of mix"} <= set(gates)
    assert {f"ndcg@10 gain over {name}" for name in ("mix", "buy_again", "item_knn")} <= set(gates)
    assert result.model_version.startswith(f"recommendation-{run.version.number}.")
    assert result.fallback_reasons == ("vectors_unavailable",)


def test_shuffled_labels_are_refused_and_the_champion_goes_on(large_shop: Shop) -> None:
    _train()
    champions = Deployment.objects.filter(role="champion", ended_at=None)
    before = list(champions.values_list("version", flat=True))

    version = _train(split=_shuffle_labels).version

    failed = {gate.name for gate in version.gates.filter(outcome="failed")}
    assert version.verdict == ModelVersion.Verdict.FAILED
    assert "ndcg@10 gain over mix" in failed
    assert ("ndcg@10 gain over champion" in failed) == bool(before)
    assert list(champions.values_list("version", flat=True)) == before


def test_without_a_model_the_mix_serves(shop: Shop) -> None:
    result = _recommend(_customer(shop))

    assert result.model_version.startswith("blend-2.")
    assert "model_unavailable" not in result.fallback_reasons


def test_model_changes_the_order_and_components_sum_to_the_score(shop: Shop) -> None:
    customer = _customer(shop)
    before = _recommend(customer)

    _deploy()
    after = _recommend(customer)

    assert _products(before) != _products(after)
    for recommended in after.recommendations:
        components = sum(recommended.score_components.values())
        assert components == pytest.approx(recommended.score)


def test_log_has_the_probability_of_each_product(shop: Shop) -> None:
    _deploy()
    customer = _customer(shop)

    result = recommend(RecommendationRequest(customer=customer.pk, scenario="home", limit=60))

    (logged,) = Recommendation.objects.filter(id=result.id)
    assert len(logged.probabilities) == len(logged.products)
    assert logged.probabilities == [each.probability for each in result.recommendations]
    predicted = [value for value in logged.probabilities if value is not None]
    assert predicted
    assert all(0 < value < 1 for value in predicted)


def test_log_without_a_model_has_no_probabilities(shop: Shop) -> None:
    result = recommend(RecommendationRequest(customer=_customer(shop).pk, scenario="home"))

    (logged,) = Recommendation.objects.filter(id=result.id)
    assert logged.products
    assert logged.probabilities is None


def test_weight_of_the_scenario_scales_its_part_of_the_probability(shop: Shop) -> None:
    _deploy()
    customer = _customer(shop)
    before = _recommend(customer).recommendations[0]

    Scenario.objects.filter(name="home").update(repurchase=2.0)
    after = next(
        each for each in _recommend(customer).recommendations if each.product == before.product
    )

    repurchase = before.score_components["repurchase"]
    assert repurchase > 0
    assert after.score_components["repurchase"] == pytest.approx(2 * repurchase)
    assert after.score == pytest.approx(before.score + repurchase)


def test_anonymous_requests_and_product_pages_use_the_mix(shop: Shop) -> None:
    _deploy()
    product = next(iter(shop.products.values()))

    anonymous = _recommend(None)
    similar = _recommend(_customer(shop), scenario="product", products=(product.pk,))

    assert anonymous.model_version.startswith("blend-2.")
    assert similar.model_version.startswith("blend-2.")


def test_store_has_the_model_that_is_deployed_for_it(shop: Shop) -> None:
    _deploy()
    _deploy(scope="danforth")

    there = _recommend(_customer(shop), store=shop.stores["danforth"])
    elsewhere = _recommend(_customer(shop), store=shop.stores["queen-west"])

    assert there.model_version.startswith("recommendation-2.")
    assert elsewhere.model_version.startswith("recommendation-1.")


def test_variant_of_an_experiment_has_its_version(shop: Shop) -> None:
    _deploy()
    _store_version()
    variant = Assignment(
        experiment_id=uuid4(),
        variant="new",
        settings={"model_version": 2},
        ends_at=timezone.now() + timedelta(days=7),
    )

    result = recommend(
        RecommendationRequest(customer=_customer(shop).pk, scenario="home"),
        variant=variant,
        record=False,
    )

    assert result.model_version.startswith("recommendation-2.")


def test_version_that_cannot_be_loaded_leaves_the_one_before(shop: Shop) -> None:
    _deploy()
    _recommend(_customer(shop))
    _damage(_deploy())

    result = _recommend(_customer(shop))

    assert result.model_version.startswith("recommendation-1.")
    assert "model_unavailable" not in result.fallback_reasons


def test_only_model_that_cannot_be_loaded_leaves_the_mix_and_says_so(shop: Shop) -> None:
    _damage(_deploy())

    result = _recommend(_customer(shop))

    assert result.model_version.startswith("blend-2.")
    assert "model_unavailable" in result.fallback_reasons
    assert result.fallback_level == FallbackLevel.DEGRADED


def test_result_depends_on_the_deployed_model(shop: Shop) -> None:
    assert "model.recommendation" in _recommend(_customer(shop)).dependencies


def test_shadow_is_compared_with_what_serves(shop: Shop) -> None:
    _deploy()
    duration = timedelta(days=1)
    shadow = start_shadow(version=_store_version(), duration=duration, approved_by="staff")

    _recommend(_customer(shop))
    save_shadow_results()

    (report,) = shadow_reports([shadow])
    assert report.compared == 1
    assert report.agreement == 1.0  # the same weights


def test_training_set_has_only_customers_who_consent() -> None:
    shop = create_shop(customers=12, products=30, until=_NOW, days=40, consenting=5)
    withdrawn = list(shop.customers.values())[4]
    Consent.objects.filter(customer=withdrawn, text__purpose="profiling").update(withdrawn_at=_NOW)
    trainer = find_trainer("recommendation")

    frozen = freeze(trainer.training_set, model="recommendation", as_of=_NOW)

    table = read_frozen(frozen.key, frozen.checksum)
    assert len(set(table["customer"].to_pylist())) == 4
    names = {str(profile.pk) for profile in shop.customers.values()} | set(shop.customers)
    assert not names & {str(value) for column in table.columns for value in column.to_pylist()}


def test_training_set_has_no_event_after_its_time() -> None:
    create_shop(customers=8, products=30, until=_NOW, days=40)
    trainer = find_trainer("recommendation")
    as_of = _NOW - timedelta(days=10)

    frozen = freeze(trainer.training_set, model="recommendation", as_of=as_of)

    table = read_frozen(frozen.key, frozen.checksum)
    assert table.num_rows > 50
    assert max(table["occurred_at"].to_pylist()) <= as_of


def test_products_out_of_stock_are_not_recommended_with_the_model(shop: Shop) -> None:
    _deploy()
    customer = _customer(shop)
    store = shop.stores["danforth"]
    first = _recommend(customer, store=store).recommendations[0].product
    StoreStock.objects.filter(product=first).update(quantity=0)

    result = _recommend(customer, store=store)

    assert result.model_version.startswith("recommendation-1.")
    assert first not in [recommended.product for recommended in result.recommendations]
    assert ProductPopularity.objects.filter(product=first).exists()
