"""What an application says of its rows, in a file `embeddings.py`, for them to be found by meaning."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.module_loading import autodiscover_modules

from vectors.encoders.base import Vectors


class EmbeddedEntity(ABC):
    """Rows of one table in one collection."""

    collection: str
    layout_version: str
    # Scalar fields of the collection: name → "float" or "text".
    scalar_fields: dict[str, str]

    @abstractmethod
    def queryset(self) -> QuerySet[Any]:
        """Return the rows that belong in the collection; each has `pk` and `updated_at`."""

    @abstractmethod
    def texts(self, rows: Sequence[Any]) -> list[str]:
        """Return what is encoded as text, a string a row."""

    @abstractmethod
    def features(self, rows: Sequence[Any]) -> Vectors:
        """Return float32 (n, 384), unit rows."""

    @abstractmethod
    def scalars(self, row: Any) -> dict[str, str | float]:
        """Return the scalar fields of a row."""


_entities: dict[str, EmbeddedEntity] = {}


def register(kind: type[EmbeddedEntity]) -> type[EmbeddedEntity]:
    """Declare an entity; used as a decorator."""
    _entities[kind.collection] = kind()
    return kind


def entities() -> dict[str, EmbeddedEntity]:
    """Return every declared entity by collection."""
    autodiscover_modules("embeddings")
    return _entities
