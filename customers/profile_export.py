"""Export of all personal data of a customer, with an entry in the access log."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from customers.services.access import log_access
from mlops.privacy.export import export, export_zip


def export_customer(*, customer: UUID, by: str) -> dict[str, list[Any]]:
    """Return the personal data of a customer as JSON values, by store. Raises PersonNotFound."""
    data = export(customer)
    log_access(customer=customer, actor=by, action="customer.export")
    return data


def export_customer_archive(*, customer: UUID, by: str) -> Iterator[bytes]:
    """
    Yield a ZIP archive of the personal data of a customer while it is read.

    Raises PersonNotFound before the first chunk.
    """
    chunks = export_zip(customer)
    log_access(customer=customer, actor=by, action="customer.export")
    return chunks
