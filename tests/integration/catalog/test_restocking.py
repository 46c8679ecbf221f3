"""Time of restocking, which a trigger sets."""

import pytest

from catalog.models import StoreStock
from tests.factories.catalog import StoreFactory, create_products

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("before", "after", "is_restocked"), [(0, 3, True), (3, 0, False), (3, 9, False), (0, 0, False)]
)
def test_restocking_time_changes_when_the_quantity_rises_from_zero(
    before: int, after: int, is_restocked: bool
) -> None:
    store = StoreFactory.create(code="queen-west")
    (product,) = create_products(1, store)
    StoreStock.objects.update(quantity=before)
    first = StoreStock.objects.get(product=product).restocked_at

    StoreStock.objects.update(quantity=after)

    restocked_at = StoreStock.objects.get(product=product).restocked_at
    assert (restocked_at > first) == is_restocked
