"""Columns of many rows as one parameter each."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID


def array(values: Iterable[Any]) -> str:
    """
    Return the literal of a PostgreSQL array of one dimension, for a parameter that is cast (`%s::uuid[]`).

    The driver's own lists are looked through element by element; batches have thousands.
    """
    return f"{{{','.join([_element(value) for value in values])}}}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        return value.hex  # half the time of its text with dashes
    text = value if isinstance(value, str) else str(value)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
