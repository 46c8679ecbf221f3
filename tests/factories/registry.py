"""Factories of the model registry: versions of the sample regression with their artifacts."""

from typing import Any

import factory
import numpy as np
from django.utils import timezone
from factory.django import DjangoModelFactory

from mlops.models import ModelVersion, TrainingRun
from mlops.registry.artifacts import sign, store_artifact
from tests.samples.trainers import FEATURES, NAME, Regression, dump


class TrainingRunFactory(DjangoModelFactory[TrainingRun]):
    """Training runs that succeeded."""

    class Meta:
        model = TrainingRun

    model = NAME
    status = TrainingRun.Status.SUCCEEDED
    as_of = factory.LazyFunction(timezone.now)
    finished_at = factory.LazyFunction(timezone.now)


class ModelVersionFactory(DjangoModelFactory[ModelVersion]):
    """
    Versions that passed their gates, numbered from 1; each has its own artifact.

    body: the artifact; by default a regression whose bias is the number.
    """

    class Meta:
        model = ModelVersion

    model = NAME
    number = factory.LazyAttribute(
        lambda version: ModelVersion.objects.filter(model=version.model).count() + 1
    )
    run = factory.SubFactory(TrainingRunFactory, model=factory.SelfAttribute("..model"))
    artifact_format = "npz"
    features = list(FEATURES)
    data_checksum = "0" * 64
    test_checksum = "0" * 64
    verdict = ModelVersion.Verdict.PASSED
    body = factory.LazyAttribute(
        lambda version: dump(Regression(np.ones(len(FEATURES)), float(version.number)))
    )

    @classmethod
    def _adjust_kwargs(cls, **kwargs: Any) -> dict[str, Any]:
        body = kwargs.pop("body")
        key, sha256 = store_artifact(
            body, model=kwargs["model"], artifact_format=kwargs["artifact_format"]
        )
        stored = {
            "artifact_key": key,
            "sha256": sha256,
            "size_bytes": len(body),
            "signature": sign(
                model=kwargs["model"],
                number=kwargs["number"],
                artifact_format=kwargs["artifact_format"],
                sha256=sha256,
            ),
        }
        return {**kwargs, **stored}
