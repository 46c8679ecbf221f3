"""Errors of the vector engine."""

from config.errors import CultivarError, ServiceUnavailable


class VectorsUnavailable(ServiceUnavailable):
    """Vector search is unavailable: Milvus does not respond, or nothing is indexed yet."""

    code = "vectors_unavailable"

    def __init__(self, reason: str) -> None:
        """reason: a clause that says what is missing."""
        super().__init__("Vector search", reason)


class VectorRefused(CultivarError):
    """A vector has another dimension or fingerprint than the collection."""

    code = "vector_refused"


class ModelMissing(CultivarError):
    """The files of a model are missing or do not match their hashes."""

    code = "model_missing"


class ImageRefused(CultivarError):
    """The bytes are not an image, or one that is broken or too large."""

    code = "image_refused"


class IndexBusy(CultivarError):
    """Another process is building an index of the collection or rolling back to one."""

    code = "index_busy"

    def __init__(self, collection: str) -> None:
        """collection: the one whose build lock is taken."""
        super().__init__(f"Another process is building an index of {collection}.")


class IndexRefused(CultivarError):
    """An index failed its checks, or its vectors cannot be computed."""

    code = "index_refused"
