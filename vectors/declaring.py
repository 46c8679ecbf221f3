"""What an application says of its rows, in a file `embeddings.py`, for them to be found by meaning."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.utils.module_loading import autodiscover_modules

from config.access import Audience
from vectors.encoders.base import Vectors


class EmbeddedEntity(ABC):
    """Rows of one table in one collection."""

    collection: str
    layout_version: str
    # Scalar fields of the collection: name → "float" or "text".
    scalar_fields: dict[str, str]
    # Every field of a row that is read for text, features or scalars, and who may see it: what is encoded can be found.
    audiences: Mapping[str, Audience]

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
    """Declare an entity; used as a decorator. Refuses one that would let customers find by what is for staff."""
    for_staff = [name for name, audience in kind.audiences.items() if audience > Audience.VERIFIED]
    if for_staff or not set(kind.scalar_fields) <= set(kind.audiences):
        raise ImproperlyConfigured(f"{kind.__name__}: fields for staff, or without an audience: {for_staff}")
    _entities[kind.collection] = kind()
    return kind


def entities() -> dict[str, EmbeddedEntity]:
    """Return every declared entity by collection."""
    autodiscover_modules("embeddings")
    return _entities
