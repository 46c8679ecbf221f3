"""What an application says of its rows, in a file `embeddings.py`, for them to be found by meaning."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.utils.module_loading import autodiscover_modules

from config.access import Audience
from vectors.encoders.base import Vectors
from vectors.encoders.features import FeatureLayout


class EmbeddedEntity(ABC):
    """Rows of one table in one collection; its vectors are a text's, or a text's and the row's features joined."""

    collection: str
    # Whose changes concern it: rows of this table are noted in the outbox by triggers.
    table: str
    # Which encoder makes the text half: "text", "multilingual" or "image"; settings say what these are.
    role: str
    # Features beside the text, and how much of the vector is the text's; None: text alone.
    layout: FeatureLayout | None = None
    text_weight: float = 1.0
    # Scalar fields of the collection: name → "float" or "text". A float that is unknown is -1.
    scalar_fields: dict[str, str]
    # Every field of a row that is read for text, features or scalars, and who may see it: what is encoded can be found.
    audiences: Mapping[str, Audience]

    @abstractmethod
    def queryset(self) -> QuerySet[Any]:
        """Return the rows that belong in the collection."""

    @abstractmethod
    def texts(self, rows: Sequence[Any]) -> list[str]:
        """Return what is encoded as text, a string a row."""

    def features(self, rows: Sequence[Any]) -> Vectors:
        """Return float32 (n, 384), unit rows; only where there is a layout."""
        raise NotImplementedError

    @abstractmethod
    def scalars(self, row: Any) -> dict[str, str | float]:
        """Return the scalar fields of a row."""

    def is_live(self) -> bool:
        """Tell whether it can be encoded here: a collection of a model that is not installed stays away."""
        return True

    @property
    def layout_version(self) -> str:
        """Version of the features; empty for text alone."""
        return self.layout.version if self.layout else ""


_entities: dict[str, EmbeddedEntity] = {}


def register(kind: type[EmbeddedEntity]) -> type[EmbeddedEntity]:
    """Declare an entity; used as a decorator. Refuses one that would let customers find by what is for staff."""
    for_staff = [name for name, audience in kind.audiences.items() if audience > Audience.VERIFIED]
    if for_staff or not set(kind.scalar_fields) <= set(kind.audiences):
        raise ImproperlyConfigured(f"{kind.__name__}: fields for staff, or without an audience: {for_staff}")
    _entities[kind.collection] = kind()
    return kind


def entities() -> dict[str, EmbeddedEntity]:
    """Return every declared entity that can be encoded here, by collection."""
    autodiscover_modules("embeddings")
    return {name: entity for name, entity in _entities.items() if entity.is_live()}
