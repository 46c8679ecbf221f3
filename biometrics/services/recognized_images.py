"""
Recognized images: which customer an image was recognized as, for five minutes in Redis.

`face_recognition:{image_hash}` holds an opaque customer id. Both are HMACs under keys of the
deployment: neither can be computed from a photograph or a customer id without the keys. Images of
unknown people are not stored. A set by opaque customer id lists the images, so that all of a
customer are removed with their template. While Redis is unavailable nothing is stored.
"""

import hmac
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from biometrics.faces import MODEL
from biometrics.matching import GalleryScope
from config.clients.redis import RedisUnavailable, quick_redis
from config.crypto import key_ring

LIFETIME_SECONDS = 300
_PREFIX = "face_recognition:"
_IMAGES_PREFIX = "face_recognition_images:"
_IMAGE_PURPOSE = b"face-recognition-image"
_CUSTOMER_PURPOSE = b"face-recognition-customer"


def hash_image(image: bytes, scope: GalleryScope) -> str:
    """Return the key of an image in a scope of stores, 64 hex digits."""
    context = f"{MODEL}|{scope.province}|{scope.store_group}|".encode()
    return _hmac(_IMAGE_PURPOSE, context + image)


def remember(image_hash: str, customer_id: UUID) -> None:
    """Store that an image was recognized as a customer."""
    opaque_id = _opaque_ids([customer_id])[0]

    def store(client: Any) -> None:
        commands = client.pipeline(transaction=True)
        commands.set(_PREFIX + image_hash, opaque_id, ex=LIFETIME_SECONDS)
        commands.sadd(_IMAGES_PREFIX + opaque_id, image_hash)
        commands.expire(_IMAGES_PREFIX + opaque_id, LIFETIME_SECONDS)
        commands.execute()

    with suppress(RedisUnavailable):
        quick_redis().call(store)


def recognized_customer(image_hash: str, list_customers: Callable[[], list[UUID]]) -> UUID | None:
    """
    Return which of some customers an image was recognized as; None: none of them, or not stored.

    list_customers: returns the customers. One command in Redis; if the image is stored, also one
    HMAC for each customer.
    """
    try:
        stored = quick_redis().call(lambda client: client.get(_PREFIX + image_hash))
    except RedisUnavailable:
        return None
    if stored is None:
        return None
    candidates = list_customers()
    customer_by_opaque_id = dict(zip(_opaque_ids(candidates), candidates, strict=True))
    return customer_by_opaque_id.get(stored.decode())


def forget_customers(customer_ids: Iterable[UUID]) -> None:
    """
    Remove the images of customers.

    While Redis is unavailable they stay until they expire; a template that is deleted is not found
    by them.
    """
    opaque_ids = _opaque_ids(list(customer_ids))

    def forget(client: Any) -> None:
        for opaque_id in opaque_ids:
            image_hashes = client.smembers(_IMAGES_PREFIX + opaque_id)
            images = [_PREFIX + image_hash.decode() for image_hash in image_hashes]
            client.delete(_IMAGES_PREFIX + opaque_id, *images)

    with suppress(RedisUnavailable):
        quick_redis().call(forget)


def _opaque_ids(customer_ids: list[UUID]) -> list[str]:
    key = key_ring().derived_key(_CUSTOMER_PURPOSE)
    return [hmac.digest(key, customer_id.bytes, "sha256").hex() for customer_id in customer_ids]


def _hmac(purpose: bytes, data: bytes) -> str:
    return hmac.digest(key_ring().derived_key(purpose), data, "sha256").hex()
