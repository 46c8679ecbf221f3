"""Array parameters for batches of thousands of rows."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID


def array(values: Iterable[Any]) -> str:
    """
    Return a PostgreSQL array literal of one dimension for a parameter with a cast (`%s::uuid[]`).

    Faster than passing a list, for which the driver inspects the type of every element.
    """
    return f"{{{','.join([_element(value) for value in values])}}}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        return value.hex  # takes half the time of str()
    text = value if isinstance(value, str) else str(value)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
