"""What can go wrong with vectors."""

from config.errors import CultivarError, ServiceUnavailable


class VectorsUnavailable(ServiceUnavailable):
    """Milvus does not answer."""

    code = "vectors-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("Vector search", reason)


class VectorRefused(CultivarError):
    """A vector of another dimension than its collection."""

    code = "vector-refused"


class ModelMissing(CultivarError):
    """The model's files are absent or altered."""

    code = "model-missing"


class ImageRefused(CultivarError):
    """Bytes that are no image, a broken one, or one too large."""

    code = "image-refused"


class IndexBusy(CultivarError):
    """An index of the collection is being built or put back by another process."""

    code = "index-busy"

    def __init__(self, collection: str) -> None:
        super().__init__(f"Another process is building an index of {collection}.")


class IndexRefused(CultivarError):
    """A new index is not good enough to serve or has nothing to be made of; or an old one cannot be kept up any more."""

    code = "index-refused"
