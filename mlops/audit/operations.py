"""Operations: named changes, to which triggers assign every row change of the transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from config.telemetry.request_ids import current_request_id
from mlops.models import Operation, Run

# The request stays named until the transaction ends: all of it belongs to the request.
_BEGIN = """
SELECT set_config('cultivar.operation', %s, true), set_config('cultivar.request_id', %s, true)
"""
_END = "SELECT set_config('cultivar.operation', '', true)"


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
    Run the block in one transaction as one operation, which can be shown and undone.

    A nested operation is part of the outer one. The request id comes from the log context.
    """
    with transaction.atomic():
        if outer := current_operation():
            yield outer
            return
        new_operation = Operation.objects.create(
            kind=kind,
            actor=actor,
            client=client[:60],
            reason=reason,
            request_id=current_request_id(),
            undoes=undoes,
        )
        with _as_current(new_operation):
            yield new_operation


def name_request() -> None:
    """
    Name the request of the log context in the transaction: events that triggers record have its id.

    Operations name it themselves.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('cultivar.request_id', %s, true)", [current_request_id()])


@contextmanager
def run_operation(run: Run) -> Iterator[None]:
    """Run the block in one transaction as part of the operation of a run."""
    with transaction.atomic():
        of_run, _ = Operation.objects.get_or_create(run=run, kind=Operation.Kind.RUN)
        with _as_current(of_run):
            yield


def current_operation() -> Operation | None:
    """Return the operation of the current transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_operation()")
        (operation_id,) = cursor.fetchone()
    return Operation.objects.get(pk=operation_id) if operation_id else None


@contextmanager
def _as_current(current: Operation) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, [str(current.pk), current_request_id()])
    yield
    # After an error nothing is reset: the transaction is rolled back, and the setting with it.
    with connection.cursor() as cursor:
        cursor.execute(_END)
