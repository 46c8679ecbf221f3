"""Search by image: products whose vectors are nearest to an uploaded picture."""

from typing import IO, ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext

from catalog.models import Product
from catalog.selectors.products import products_in_order
from config.errors import BadInput, ServiceUnavailable
from vectors import search as vector_search
from vectors.encoders.registry import image_encoder
from vectors.errors import ImageRefused, ModelMissing
from vectors.filters import VectorFilters

IMAGE_COLLECTION = "product_images"
MAX_IMAGE_BYTES = 5 * 2**20


class ImageSearchUnavailable(ServiceUnavailable):
    """The image encoder is not installed."""

    code: ClassVar[str] = "image_search_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("Image search", reason)


def products_similar_to_image(
    image: IO[bytes], *, products: QuerySet[Product], filters: VectorFilters, limit: int
) -> list[Product]:
    """
    Return the products nearest to an image, nearest first. The image is not stored.

    products, filters: the hard filters on rows and on vectors. Raises ImageSearchUnavailable,
    BadInput for more than 5 MB and for unreadable images, VectorsUnavailable.
    """
    content = image.read(MAX_IMAGE_BYTES + 1)
    if len(content) > MAX_IMAGE_BYTES:
        raise BadInput("image", gettext("must be 5 MB at most"))
    try:
        vector = image_encoder().encode_images([content])[0]
    except ModelMissing as error:
        raise ImageSearchUnavailable(str(error)) from error
    except ImageRefused as error:
        raise BadInput("image", str(error)) from error
    result = vector_search.nearest(
        collection=IMAGE_COLLECTION, vector=vector, limit=limit, filters=filters
    )
    ids = [hit.id for hit in result.hits]
    allowed_ids = {str(pk) for pk in products.filter(pk__in=ids).values_list("pk", flat=True)}
    return products_in_order([pk for pk in ids if pk in allowed_ids])
