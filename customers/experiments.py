"""Experiments with recommendation scenarios."""

from django.utils.translation import gettext_lazy as _

from customers.models import Scenario
from customers.recommendations import (
    EXPERIMENT_SUBJECT,
    MODEL_VERSION,
    SCENARIO_SETTINGS,
    check_settings,
    measure_experiment,
)
from mlops.experiments import Metric, Subject, register

register(
    Subject(
        name=EXPERIMENT_SUBJECT,
        title=_("Recommendations"),
        placements={name.value: name.label for name in Scenario.Name},
        metrics=(
            Metric(name="clicked", title=_("Click-through"), scale=0.02, tolerance=0.0),
            Metric(name="bought", title=_("Purchase-through"), scale=0.01, tolerance=0.0),
            Metric(
                name="fallback", title=_("Fallback rate"), scale=0.05, is_error=True, tolerance=0.02
            ),
            Metric(
                name="milliseconds",
                title=_("Latency"),
                unit="ms",
                scale=20.0,
                is_error=True,
                tolerance=20.0,
            ),
        ),
        measure=measure_experiment,
        check_settings=check_settings,
        settings_help=", ".join((*SCENARIO_SETTINGS, MODEL_VERSION)),
    )
)
