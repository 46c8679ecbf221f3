"""
Models of the catalogue that the registry serves, and their files where none is deployed.

Matching compares with one model from the start of a call to its end: a deployment in between takes
effect at the next call, and no pair costs a query.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from catalog.effects import EFFECTS
from catalog.matching import MatchModel, load_artifact, use_match_model
from mlops.registry import ServedModel

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

MATCHING: ServedModel[MatchModel] = ServedModel(
    "matching", artifact_format="json", load=load_artifact
)
__all__ = ["EFFECTS", "MATCHING", "with_served_match_model"]
_is_chosen: ContextVar[bool] = ContextVar("is_match_model_chosen", default=False)


def with_served_match_model(function: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """Compare with the deployed matching model within a function; a decorator. Calls may nest."""

    @wraps(function)
    def call(*args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
        if _is_chosen.get():
            return function(*args, **kwargs)
        serving = MATCHING.current()
        token = _is_chosen.set(True)
        try:
            with use_match_model(serving.model if serving else None):
                return function(*args, **kwargs)
        finally:
            _is_chosen.reset(token)

    return call
