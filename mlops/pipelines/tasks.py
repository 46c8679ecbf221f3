"""Decorator that every Celery task of the project uses."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from celery import shared_task

_GRACE_SECONDS = 30


def pipeline_task(*, soft_time_limit: int = 300) -> Callable[[Callable[..., Any]], Any]:
    """
    Make a function a task with time limits (seconds).

    CELERY_TASK_ROUTES names the queue of each task.

    The function must be safe to repeat: a task whose worker was killed is delivered again. Raises
    TypeError for a function with parameters that are not keyword-only.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                raise TypeError(f"{function.__name__}: {parameter.name} must be keyword-only")

        @functools.wraps(function)
        def call(**arguments: Any) -> Any:
            return function(**arguments)

        return shared_task(
            soft_time_limit=soft_time_limit,
            time_limit=soft_time_limit + _GRACE_SECONDS,
            acks_late=True,
        )(call)

    return decorate
