"""Drift of the price model: last week's observations against the frozen training set."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.test import override_settings

from competitors.models import PriceHistory
from mlops.models import TrainingRun
from mlops.registry import retrain
from mlops.registry.deployments import approve, deploy
from mlops.registry.drift import measure_drift
from mlops.registry.retraining import request_retrain_for_new_data
from tests.integration.competitors.test_price_training import _TRAINER, store_offers
from tests.samples.prices import AS_OF, offers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _champion(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        store_offers(offers(products=160, weeks=16))
        version = retrain(_TRAINER, as_of=AS_OF).version
        approve(version=version, approved_by="user:analyst", reason="gates were read")
        deploy(version=version, approved_by="user:analyst", reason="first model")
        yield


def _outcomes() -> dict[str, str]:
    return {
        one.reference.name: one.outcome for one in measure_drift(_TRAINER, now=AS_OF) if one.psi
    }


def test_week_like_the_others_has_not_drifted() -> None:
    assert "drifted" not in _outcomes().values()


def test_rise_of_all_prices_drifts_and_estimates_do_not() -> None:
    assert _TRAINER.drift is not None
    PriceHistory.objects.filter(scraped_at__gte=AS_OF - _TRAINER.drift.period).update(
        price=F("price") * Decimal(6)
    )

    outcomes = _outcomes()

    assert outcomes["price"] == "drifted"
    assert outcomes["prediction"] != "drifted"
    assert outcomes["category"] != "drifted"


def test_observations_since_the_training_ask_for_another() -> None:
    before = request_retrain_for_new_data(_TRAINER, now=AS_OF)
    TrainingRun.objects.update(started_at=AS_OF - timedelta(days=30))
    PriceHistory.objects.update(scraped_at=F("scraped_at") + timedelta(days=35))

    after = request_retrain_for_new_data(_TRAINER, now=AS_OF + timedelta(days=35))

    assert before is None
    assert after is not None
    assert after.trigger == "new_data"
