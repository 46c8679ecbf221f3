"""Experiments with recommendations: variants set parameters, and the log measures them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product, Store
from config.cache.invalidation import is_listening
from customers.models import CustomerProfile, Recommendation, RecommendationFeedback, Scenario
from customers.recommendations import (
    RECOMMENDATION_CACHE,
    RecommendationRequest,
    assign_variant,
    check_settings,
    measure_experiment,
    recommend,
)
from mlops.experiments import outdate_assignments, position_of, stop_experiment
from mlops.models import Experiment
from mlops.registry import approve
from tests.factories.catalog import StoreFactory, create_products
from tests.factories.config import create_api_client
from tests.factories.customers import CustomerFactory, rank_by_popularity
from tests.factories.experiments import ExperimentFactory
from tests.factories.registry import ModelVersionFactory
from tests.polling import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
_ONE_PER_BRAND: Any = (("control", 0.5, {}), ("varied", 0.5, {"max_per_brand": 1}))


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    cache.clear()
    RECOMMENDATION_CACHE.clear_local()
    outdate_assignments()
    yield
    RECOMMENDATION_CACHE.clear_local()


@pytest.fixture
def store() -> Store:
    """A store in Ontario."""
    return StoreFactory.create(code="queen-west")


@pytest.fixture
def products(store: Store) -> list[Product]:
    """Six products of one brand, in stock."""
    created = create_products(6, store)
    Product.objects.update(brand="Field Trip")
    rank_by_popularity(created, store=store)
    return created


@pytest.fixture
def client() -> APIClient:
    """A client that may read recommendations and report what was shown."""
    return create_api_client(scopes=("recommendations:read", "events:write"))


def _session_in(experiment: Experiment, variant: str) -> str:
    """Return a session that the experiment assigns to one of two variants of half the visitors."""
    for index in range(1_000):
        session = f"session-{index}"
        is_control = position_of(experiment.assignment_key, session) < 0.5
        if is_control == (variant == "control"):
            return session
    raise AssertionError("no session")


def _get(client: APIClient, session: str) -> Any:
    response = client.get(
        "/api/v1/recommendations/",
        {"store_code": "queen-west", "session_id": session, "scenario": "home"},
    )
    assert response.status_code == 200, response.content
    return response.json()


def _wait_for_listener() -> None:
    is_listening()
    wait_until(is_listening, 10)


def _log(experiment: Experiment, variant: str, **fields: Any) -> Recommendation:
    values = {
        "created_at": timezone.now(),
        "scenario": "home",
        "model_version": "blend",
        "experiment_id": experiment.pk,
        "variant": variant,
        "milliseconds": 10.0,
        "products": [uuid4()],
        **fields,
    }
    row: Recommendation = Recommendation.objects.create(**values)
    return row


def _feedback(recommendation: Recommendation, session: str, kind: str = "shown") -> None:
    RecommendationFeedback.objects.create(
        recommendation_id=recommendation.id,
        product_id=recommendation.products[0],
        kind=kind,
        session=session,
        scenario="home",
    )


def test_variant_changes_what_is_recommended(
    store: Store, products: list[Product], client: APIClient
) -> None:
    experiment = ExperimentFactory.create(running=True, variants=_ONE_PER_BRAND)

    control = _get(client, _session_in(experiment, "control"))
    varied = _get(client, _session_in(experiment, "varied"))

    assert len(control["results"]) > 1
    assert len(varied["results"]) == 1


def test_variant_is_logged_with_the_result(
    store: Store, products: list[Product], client: APIClient
) -> None:
    experiment = ExperimentFactory.create(running=True, variants=_ONE_PER_BRAND)

    _get(client, _session_in(experiment, "varied"))

    logged = Recommendation.objects.get()
    assert (logged.experiment_id, logged.variant) == (experiment.pk, "varied")
    assert logged.milliseconds is not None
    assert logged.milliseconds > 0


def test_result_outside_of_experiments_names_none(
    store: Store, products: list[Product], client: APIClient
) -> None:
    _get(client, "session-1")

    logged = Recommendation.objects.get()
    assert (logged.experiment_id, logged.variant) == (None, "")


def test_end_of_an_experiment_drops_cached_results(
    store: Store, products: list[Product], client: APIClient
) -> None:
    _wait_for_listener()
    experiment = ExperimentFactory.create(running=True, variants=_ONE_PER_BRAND)
    session = _session_in(experiment, "varied")
    wait_until(lambda: len(_get(client, session)["results"]) == 1, 5)

    stop_experiment(experiment=experiment, reason="enough", stopped_by="kim")

    wait_until(lambda: len(_get(client, session)["results"]) > 1, 5)


def test_cached_result_is_valid_until_the_experiment_ends(
    store: Store, products: list[Product]
) -> None:
    experiment = ExperimentFactory.create(running=True, variants=_ONE_PER_BRAND)
    ends_at = timezone.now() + timedelta(seconds=1)
    Experiment.objects.filter(pk=experiment.pk).update(ends_at=ends_at)
    request = RecommendationRequest(
        scenario="home", store=store, session=_session_in(experiment, "varied")
    )

    variant = assign_variant(request)
    result = recommend(request, variant=variant, record=False)

    assert result.valid_until <= ends_at


def test_customer_keeps_the_variant_in_every_session(store: Store) -> None:
    ExperimentFactory.create(running=True)
    customer: CustomerProfile = CustomerFactory.create(verified=True)

    variants = {
        assignment.variant
        for session in ("a", "b", "c", "d", "e", "f")
        if (
            assignment := assign_variant(
                RecommendationRequest(
                    scenario="home", store=store, customer=customer.pk, session=session
                )
            )
        )
    }

    assert len(variants) == 1


def test_other_scenarios_are_not_varied(store: Store) -> None:
    ExperimentFactory.create(running=True)

    request = RecommendationRequest(scenario="product", store=store, session="session-1")

    assert assign_variant(request) is None


def test_conversions_are_counted_by_visitor() -> None:
    experiment = ExperimentFactory.create(running=True)
    shared = _log(experiment, "control")
    for session in ("a", "b"):
        _feedback(shared, session)
    _feedback(shared, "a", "clicked")
    customer = _log(experiment, "diverse", customer_id=uuid4(), fallback_level=3, milliseconds=30)
    _feedback(customer, "c", "bought")
    _log(experiment, "diverse", customer_id=customer.customer_id, fallback_level=0, milliseconds=10)

    measured = measure_experiment(experiment)

    assert measured.units == {"control": 2, "diverse": 1}
    clicked = measured.metrics["clicked"]
    assert (clicked["control"].units, clicked["control"].mean) == (2, 0.5)
    assert clicked["control"].variance == pytest.approx(0.5)
    assert measured.metrics["bought"]["diverse"].mean == 1.0
    assert measured.metrics["fallback"]["diverse"].mean == 0.5
    assert measured.metrics["milliseconds"]["diverse"].mean == 20.0


def test_visitor_of_two_variants_is_left_out() -> None:
    experiment = ExperimentFactory.create(running=True)
    for variant in ("control", "diverse"):
        _feedback(_log(experiment, variant), "both")
    _feedback(_log(experiment, "control"), "one")

    measured = measure_experiment(experiment)

    assert measured.units == {"control": 1}
    assert measured.mixed == 1


def test_results_of_other_experiments_do_not_count() -> None:
    experiment, other = ExperimentFactory.create(running=True), ExperimentFactory.create()
    _feedback(_log(other, "control"), "a")

    assert measure_experiment(experiment).units == {}


def test_result_that_no_visitor_saw_does_not_count() -> None:
    experiment = ExperimentFactory.create(running=True)
    _log(experiment, "control")

    assert measure_experiment(experiment).units == {}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"diversity": 1.5}, "diversity: "),
        ({"diversity": "much"}, "diversity must be a number"),
        ({"max_per_brand": 2.5}, "max_per_brand must be a whole number"),
        ({"is_same_category": 1}, "is_same_category must be true or false"),
        ({"color": 1}, "color is no setting"),
        ({"model_version": 99}, "model_version: recommendation has no version 99"),
        (
            dict.fromkeys(
                ("repurchase", "co_purchase", "embedding_similarity", "popularity", "newness"), 0
            ),
            "Every weight is 0",
        ),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], reason: str) -> None:
    (problem,) = check_settings("home", settings)

    assert problem.startswith(reason)


def test_possible_settings_are_accepted() -> None:
    assert not check_settings("home", {"diversity": 0.5, "max_per_brand": 2, "popularity": 0})


def test_version_needs_approval() -> None:
    version = ModelVersionFactory.create(model="recommendation")
    assert check_settings("home", {"model_version": 1}) == [
        "model_version: version 1 is not approved."
    ]

    approve(version=version, approved_by="kim", reason="reviewed")

    assert not check_settings("home", {"model_version": 1})


def test_scenario_in_the_database_is_not_changed_by_a_variant(
    store: Store, products: list[Product], client: APIClient
) -> None:
    experiment = ExperimentFactory.create(running=True, variants=_ONE_PER_BRAND)
    before = Scenario.objects.get(pk="home").max_per_brand

    _get(client, _session_in(experiment, "varied"))

    assert Scenario.objects.get(pk="home").max_per_brand == before
