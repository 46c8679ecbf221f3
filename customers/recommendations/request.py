"""What is asked."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from catalog.models import Store
from config.errors import CultivarError


class Unknown(CultivarError):
    """Nobody, or nothing, has the id that was asked with."""

    code = "not-found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What somebody wants to see, where.

    products: what is looked at, or lies in the basket. province: where no store is told. limit: 1 to 50.
    """

    scenario: str
    customer: UUID | None = None
    session: str = ""
    store: Store | None = None
    province: str = ""
    products: tuple[UUID, ...] = ()
    limit: int = 10
    least_price: Decimal | None = None
    most_price: Decimal | None = None

    @property
    def place(self) -> str:
        """The province that it is asked in; empty where nobody told."""
        return self.store.province if self.store else self.province
