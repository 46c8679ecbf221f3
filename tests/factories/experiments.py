"""Factories of experiments."""

from typing import Any

import factory
from factory.django import DjangoModelFactory

from mlops.experiments import start_experiment
from mlops.models import Experiment, ExperimentVariant


class ExperimentFactory(DjangoModelFactory[Experiment]):
    """
    Experiments on the home page with control and one variant, half of the visitors each.

    variants: (name, share, settings) of each. running: started by the service.
    """

    class Meta:
        model = Experiment

    name = factory.Sequence(lambda number: f"Experiment {number}")
    scope = "recommendations.home"
    hypothesis = "Fewer repeats are clicked more often."
    metric = "clicked"
    created_by = "kim"
    variants: Any = (("control", 0.5, {}), ("diverse", 0.5, {"diversity": 0.6}))
    running = False

    @classmethod
    def _create(cls, model_class: type[Experiment], *args: Any, **fields: Any) -> Experiment:
        variants = fields.pop("variants")
        is_running = fields.pop("running")
        experiment: Experiment = super()._create(model_class, *args, **fields)  # type: ignore[no-untyped-call]
        for position, (name, share, settings) in enumerate(variants):
            ExperimentVariant.objects.create(
                experiment=experiment, position=position, name=name, share=share, settings=settings
            )
        return (
            start_experiment(experiment=experiment, started_by="kim") if is_running else experiment
        )
