"""Facts of products that filters and rules evaluate."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection

from mlops.sql_arrays import array

# The fields of ProductFacts, in their order, for the products of a list.
_FACTS = """
SELECT p.id, p.merged_into_id IS NULL, coalesce(p.brand, ''),
  coalesce(p.category, ''), coalesce(p.strain_type, ''),
  coalesce(p.thc_percentage_high, p.thc_percentage), p.thc_mg, coalesce(p.mg_basis, ''), p.price,
  EXISTS (
    SELECT FROM store_stock k
    WHERE k.product_id = p.id AND k.quantity > 0 AND k.store_id = ANY(%(stores)s::uuid[])
  )
FROM products p WHERE p.id = ANY(%(products)s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """
    Facts of a product.

    is_current: not merged into another product. thc: upper end of the labelled THC in percent.
    milligrams: THC in mg, per `mg_basis`. is_in_stock: in any of the stores considered.
    """

    id: UUID
    is_current: bool
    brand: str
    category: str
    strain_type: str
    thc: Decimal | None
    milligrams: Decimal | None
    mg_basis: str
    price: Decimal | None
    is_in_stock: bool


def load_product_facts(
    products: Collection[UUID], stores: Sequence[UUID]
) -> dict[UUID, ProductFacts]:
    """Return the facts of products by id; stores: whose stock is considered. One query."""
    if not products:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, {"products": array(products), "stores": array(stores)})
        return {row[0]: ProductFacts(*row) for row in cursor.fetchall()}
