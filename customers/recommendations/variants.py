"""Variants of experiments with scenarios: who gets which, and what their settings change."""

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError

from customers.models import Scenario
from customers.recommendations.request import RecommendationRequest
from customers.reference.weights import DEFAULT_WEIGHTS
from mlops.experiments import Assignment, assign
from mlops.models import ModelVersion
from mlops.registry import list_versions

SUBJECT = "recommendations"
MODEL_NAME = "recommendation"
MODEL_VERSION = "model_version"
"""Setting: number of the version of the recommendation model that ranks."""
SCENARIO_SETTINGS = (
    "repurchase",
    "co_purchase",
    "embedding_similarity",
    "popularity",
    "newness",
    "diversity",
    "max_per_brand",
    "is_same_category",
)
"""Settings: fields of the scenario."""


def assign_variant(
    request: RecommendationRequest, *, now: datetime | None = None
) -> Assignment | None:
    """
    Return the variant of the customer, else of the session; None outside of experiments.

    Usually without a query.
    """
    unit = str(request.customer) if request.customer else request.session
    return assign(f"{SUBJECT}.{request.scenario}", unit, now=now)


def with_settings(scenario: Scenario, settings: Mapping[str, Any]) -> Scenario:
    """Return a scenario with the settings of a variant, not saved; the given one stays as it is."""
    changed = copy(scenario)
    for name in SCENARIO_SETTINGS:
        if name in settings:
            setattr(changed, name, settings[name])
    return changed


def check_settings(placement: str, settings: Any) -> Sequence[str]:
    """Return what is wrong with the settings of a variant of a scenario."""
    if not isinstance(settings, Mapping):
        return ["The settings must be a JSON object."]
    scenario = Scenario.objects.filter(pk=placement).first()
    if scenario is None:
        return [f"The scenario {placement} does not exist."]
    problems = []
    for name, value in settings.items():
        if name == MODEL_VERSION:
            problems += _check_version(value)
        elif name not in SCENARIO_SETTINGS:
            known = ", ".join((*SCENARIO_SETTINGS, MODEL_VERSION))
            problems.append(f"{name} is no setting; there are {known}.")
        else:
            problems += _check_value(scenario, name, value)
    if not problems:
        changed = with_settings(scenario, settings)
        if not any(getattr(changed, source) for source in DEFAULT_WEIGHTS[placement]):
            problems.append("Every weight is 0: nothing would be recommended.")
    return problems


def _check_value(scenario: Scenario, name: str, value: Any) -> list[str]:
    is_switch = name == "is_same_category"
    if isinstance(value, bool) != is_switch or not isinstance(value, int | float):
        return [f"{name} must be {'true or false' if is_switch else 'a number'}."]
    if name == "max_per_brand" and not isinstance(value, int):
        return [f"{name} must be a whole number."]
    try:
        field: Any = Scenario._meta.get_field(name)
        field.clean(value, scenario)
    except ValidationError as error:
        return [f"{name}: {' '.join(error.messages)}"]
    return []


def _check_version(number: Any) -> list[str]:
    if isinstance(number, bool) or not isinstance(number, int):
        return [f"{MODEL_VERSION} must be a whole number."]
    version = list_versions(model=MODEL_NAME).filter(number=number).first()
    if version is None:
        return [f"{MODEL_VERSION}: {MODEL_NAME} has no version {number}."]
    if version.verdict == ModelVersion.Verdict.FAILED or version.approved_at is None:
        return [f"{MODEL_VERSION}: version {number} is not approved."]
    return []
