"""Stock of products by store."""

from collections.abc import Collection
from uuid import UUID

from catalog.models import StoreStock
from config.scopes import KeyBinding


def stock_by_product(
    product_ids: Collection[UUID], *, store_code: str = "", binding: KeyBinding | None = None
) -> dict[UUID, list[StoreStock]]:
    """
    Return the stock of products by product id, with stores, in the order of their codes.

    store_code: of the only store; empty: all. binding: stores that count. Products without a count
    are left out. One query.
    """
    rows = StoreStock.objects.filter(product__in=list(product_ids)).select_related("store")
    if store_code:
        rows = rows.filter(store__code=store_code)
    if binding is not None and binding.provinces:
        rows = rows.filter(store__province__in=binding.provinces)
    if binding is not None and binding.store_codes:
        rows = rows.filter(store__code__in=binding.store_codes)
    stock: dict[UUID, list[StoreStock]] = {}
    for row in rows.order_by("product_id", "store__code"):
        stock.setdefault(row.product_id, []).append(row)
    return stock
