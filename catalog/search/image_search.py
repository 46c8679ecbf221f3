"""Products like a picture."""

from typing import IO

from django.db.models import QuerySet

from catalog.models import Product
from catalog.selectors import products_in_order
from config.errors import BadInput, ServiceUnavailable
from vectors import search
from vectors.encoders.registry import image_encoder
from vectors.errors import ImageRefused, ModelMissing
from vectors.filters import Conditions

COLLECTION = "product_images"
LARGEST = 5 * 2**20


class PicturesUnavailable(ServiceUnavailable):
    """The model that sees is not installed here."""

    code = "pictures-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("Search by picture", reason)


def products_like_picture(
    picture: IO[bytes], *, within: QuerySet[Product], where: Conditions, limit: int
) -> list[Product]:
    """
    Return products whose vectors lie nearest to a picture's; the picture is kept nowhere.

    Raises PicturesUnavailable, BadInput for more than 5 MB and for what is no picture, VectorsUnavailable.
    """
    content = picture.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise BadInput("image", "must be 5 MB at most")
    try:
        vector = image_encoder().encode_images([content])[0]
    except ModelMissing as error:
        raise PicturesUnavailable(str(error)) from error
    except ImageRefused as error:
        raise BadInput("image", str(error)) from error
    found = search.nearest(collection=COLLECTION, vector=vector, limit=limit, where=where)
    ids = [hit.id for hit in found.hits]
    allowed = {str(pk) for pk in within.filter(pk__in=ids).values_list("pk", flat=True)}
    return products_in_order([pk for pk in ids if pk in allowed])
