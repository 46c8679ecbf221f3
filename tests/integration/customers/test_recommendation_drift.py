"""Drift of the recommender: last week's events against the frozen training set."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.test import override_settings
from django.utils import timezone

from catalog.models import Product
from customers.models import Purchase
from customers.training import MONITORED
from mlops.models import Deployment, TrainingRun
from mlops.registry import Trainer, deploy, find_trainer
from mlops.registry.drift import describe_inputs, measure_drift, save_references
from mlops.registry.retraining import request_retrain_for_new_data
from mlops.registry.training_sets import freeze, read_frozen
from tests.factories.customers import RecommendationFactory
from tests.factories.registry import ModelVersionFactory
from tests.samples.shoppers import create_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def trainer(settings: Any, tmp_path: Any) -> Iterator[Trainer]:
    """The trainer, with a champion whose references are those of a small shop."""
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        now = timezone.now()
        create_shop(customers=60, products=60, until=now, days=40)
        declared = find_trainer("recommendation")
        assert declared.drift is not None
        # Vectors have a test of their sample.
        declared = replace(declared, drift=replace(declared.drift, vectors=None))
        frozen = freeze(declared.training_set, model=declared.name, as_of=now)
        version = ModelVersionFactory.create(model=declared.name)
        TrainingRun.objects.update(as_of=now, row_count=frozen.row_count)
        rows = read_frozen(frozen.key, frozen.checksum)
        save_references(describe_inputs(declared, rows), version=version)
        deploy(version=version, policy="all gates passed")
        yield declared


def test_week_like_the_others_has_not_drifted(trainer: Trainer) -> None:
    measurements = measure_drift(trainer, now=timezone.now())

    assert [one.reference.name for one in measurements] == list(MONITORED)
    assert all(one.row_count for one in measurements)
    assert not [one for one in measurements if one.outcome == "drifted"]


def test_prices_that_rise_fourfold_have_drifted(trainer: Trainer) -> None:
    Product.objects.update(price=F("price") * Decimal(4))

    measurements = measure_drift(trainer, now=timezone.now())

    drifted = [one.reference.name for one in measurements if one.outcome == "drifted"]
    assert drifted == ["price"]


def test_noise_is_that_of_the_customers(trainer: Trainer) -> None:
    measurements = measure_drift(trainer, now=timezone.now())

    # More than 1,000 events of 60 customers; as independent rows they would explain less than .1.
    assert measurements[0].row_count > 200
    assert measurements[0].psi_noise is not None
    assert measurements[0].psi_noise > 0.3


def test_events_since_the_training_ask_for_another(trainer: Trainer) -> None:
    now = timezone.now()
    before = request_retrain_for_new_data(trainer, now=now)
    TrainingRun.objects.update(started_at=now - timedelta(days=30))
    Purchase.objects.update(purchased_at=F("purchased_at") + timedelta(days=40))

    after = request_retrain_for_new_data(trainer, now=now)

    assert before is None
    assert after is not None
    assert after.trigger == "new_data"


def test_logged_probabilities_are_compared_with_the_first_week_of_the_version(
    trainer: Trainer,
) -> None:
    now = timezone.now()
    deployment = Deployment.objects.get()
    Deployment.objects.update(started_at=now - timedelta(days=20))
    name = f"recommendation-{deployment.version.number}.1"
    for customer in range(300):
        share = customer / 300
        for days, probability in ((15, share), (2, share**3)):
            RecommendationFactory.create(
                created_at=now - timedelta(days=days),
                model_version=name,
                session=str(customer),
                probabilities=[probability, None],
            )
        RecommendationFactory.create(
            created_at=now - timedelta(days=2),
            model_version=f"recommendation-{deployment.version.number}1.1",
            probabilities=[0.5],
        )

    measurements = measure_drift(trainer, now=now)

    measured = next(one for one in measurements if one.reference.name == "served prediction")
    assert measured.row_count == 300
    assert measured.outcome == "drifted"
