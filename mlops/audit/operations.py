"""Operations: what is done within one is noted as its doing, row by row, by triggers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.db import connection, transaction

from mlops.models import Operation, Run


@contextmanager
def operation(
    kind: Operation.Kind,
    *,
    actor: Any = None,
    client: str = "",
    reason: str = "",
    undoes: Operation | None = None,
) -> Iterator[Operation]:
    """
    Do all that follows in one transaction, as one operation that can be told and undone.

    Within another operation it is part of that one. The request's id comes from the log context.
    """
    with transaction.atomic():
        if outer := current_operation():
            yield outer
            return
        request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))[:64]
        done = Operation.objects.create(
            kind=kind,
            actor=actor,
            client=client[:60],
            reason=reason,
            request_id=request_id,
            undoes=undoes,
        )
        with _named(done):
            yield done


@contextmanager
def operation_of(run: Run) -> Iterator[None]:
    """Do all that follows in one transaction, as the doing of a run."""
    with transaction.atomic():
        done, _ = Operation.objects.get_or_create(run=run, kind=Operation.Kind.RUN)
        with _named(done):
            yield


def current_operation() -> Operation | None:
    """Return the operation of the transaction under way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_operation()")
        (pk,) = cursor.fetchone()
    return Operation.objects.get(pk=pk) if pk else None


@contextmanager
def _named(done: Operation) -> Iterator[None]:
    _name(str(done.pk))
    yield
    # An error leaves a transaction that is undone, and the name with it.
    _name("")


def _name(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('cultivar.operation', %s, true)", [text])
