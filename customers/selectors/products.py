"""Products that staff choose for a request or a rule, and how often they were recommended."""

from datetime import datetime
from uuid import UUID

from catalog.models import Product
from catalog.search import find_products
from catalog.selectors.conditions import has_number
from catalog.selectors.products import current_products, find_current_product
from customers.models import Recommendation


def find_products_by_text(text: str, *, limit: int) -> list[Product]:
    """
    Return the product with an id, else those with a SKU or GTIN, else those that match the words.

    The id of a merged product returns the product that it was merged into.
    """
    text = text.strip()
    try:
        pk = UUID(text)
    except ValueError:
        pass
    else:
        product = find_current_product(pk)
        return [product] if product else []
    if products := list(current_products().filter(has_number(text))[:limit]):
        return products
    return list(find_products(current_products().order_by("name", "-id"), text)[:limit])


def count_recommendations(product_id: UUID, *, since: datetime) -> int:
    """Return the number of recommendations with a product since a time."""
    recent = Recommendation.objects.filter(created_at__gte=since)
    return recent.filter(products__contains=[product_id]).count()


def similar_brands(brand: str, *, limit: int) -> list[str]:
    """Return brands of current products that are spelled like a text, in alphabetical order."""
    similar = current_products().filter(brand__trigram_word_similar=brand)
    names = similar.order_by("brand").values_list("brand", flat=True).distinct()
    return [str(name) for name in names[:limit]]
