"""A small real price model, trained on sample offers, as an artifact."""

from functools import cache

from competitors.pricing.model import dump
from competitors.training import PARAMETERS, fit, prepare
from mlops.registry import FitContext
from tests.samples.prices import offers


@cache
def price_model_body() -> bytes:
    """Return the artifact of a model of sample offers."""
    parameters = {**PARAMETERS, "rounds": 30, "min_data_in_leaf": 5}
    context = FitContext(seed=0, parameters=parameters, record=lambda *_point: None)
    return dump(fit(prepare(offers(products=80, weeks=4)), context))
