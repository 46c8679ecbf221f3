"""Everything on one person, handed to them; who asked for it is noted."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from customers.services.access import note
from mlops.privacy.export import export, export_zip


def export_person(*, customer: UUID, by: str) -> dict[str, list[Any]]:
    """Return everything on a person by place, fit for JSON. Raises PersonUnknown."""
    told = export(customer)
    note(customer=customer, actor=by, action="person.export")
    return told


def zip_person(*, customer: UUID, by: str) -> Iterator[bytes]:
    """Yield a ZIP archive of everything on a person, as it is read. Raises PersonUnknown before the first part."""
    parts = export_zip(customer)
    note(customer=customer, actor=by, action="person.export")
    return parts
