"""
Enrolment with photos that a device has put into object storage.

Photos are never kept: no purpose text foresees it, so that there is no storage for them. The object
is deleted with all its versions once it was read, whether the customer is enrolled or not.
"""

import re
from uuid import UUID

import structlog

from biometrics.errors import BiometricsError
from biometrics.faces import FaceImageRefused
from biometrics.faces.images import MAX_IMAGE_BYTES
from biometrics.services.recognition import enroll_image
from catalog.selectors.stores import find_store
from config.clients.objects import delete_object, read_object
from config.errors import BadInput
from customers.selectors.profiles import find_customer

log = structlog.get_logger(__name__)
_ACTOR = "task:enroll_stored_photo"
_KEY = re.compile(r"biometrics/inbox/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def enroll_stored_photo(*, key: str, customer_id: UUID, purpose: str, store_code: str) -> str:
    """
    Enroll a customer with a photo below `biometrics/inbox/`, and delete the photo.

    Returns `enrolled`, or the code of the reason for which the customer was not enrolled. Raises
    BadInput for another key, and ServiceUnavailable; the photo stays then, for another attempt.
    """
    if not _KEY.fullmatch(key):
        raise BadInput("key", "must be below biometrics/inbox/")
    # One more byte than is allowed, so that a larger photo is refused and not cut.
    image = read_object(key, max_bytes=MAX_IMAGE_BYTES + 1)
    if image is None:
        return "photo_missing"
    outcome = _enroll(image, customer_id=customer_id, purpose=purpose, store_code=store_code)
    delete_object(key)
    log.info("photo.processed", outcome=outcome)
    return outcome


def _enroll(image: bytes, *, customer_id: UUID, purpose: str, store_code: str) -> str:
    customer = find_customer(customer_id)
    store = find_store(store_code)
    if customer is None or store is None:
        return "customer_unknown" if customer is None else "store_unknown"
    try:
        enroll_image(customer=customer, purpose=purpose, image=image, store=store, by=_ACTOR)
    except (BiometricsError, FaceImageRefused, BadInput) as error:
        return error.code
    return "enrolled"
