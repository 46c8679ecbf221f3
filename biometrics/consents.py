"""Face templates exist only while their consents are active."""

from collections.abc import Iterable
from uuid import UUID

from biometrics.models import FacePurpose
from biometrics.selectors.templates import customers_with_withdrawn_consents
from biometrics.services.templates import erase_withdrawn
from customers.services.consents import DependentData, register_dependent_data


def _remove(customer_id: UUID, by: str) -> int:
    return erase_withdrawn(customer_id=customer_id, by=by)


def _due_customers() -> Iterable[UUID]:
    return customers_with_withdrawn_consents()


register_dependent_data(
    *(
        DependentData(purpose=purpose, remove=_remove, due_customers=_due_customers)
        for purpose in FacePurpose.values
    )
)
